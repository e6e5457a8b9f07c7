"""The policies of minijail (``minijail0 -S``): a line for a call; minijail0(5).

A line says for which arguments a call is allowed, and which error it gives for the others; what
has no line is killed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import cubes
from tracer.profile.formats import runtimes
from tracer.profile.formats.interface import Context, Format, Source, text
from tracer.profile.formats.policy import Call, Clause, Policy, Remarks
from tracer.profile.records import ALLOW, FULL_MASK, KILL_PROCESS, Action, Condition, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KILLS = ("kill_process", "kill_thread")
_MOST_GROUPS = 32
_NEWEST = 449  # of Linux 5.16: what is newer, older headers do not have
_OPERATORS: tuple[Operator, ...] = ("==", "!=", "<", "<=", ">", ">=")
_ATOM = re.compile(r"arg([0-9]+)\s*(==|!=|<=|>=|<|>|&|in\b)\s*(\S.*)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_FORM = 'a line is "read: 1", "open: return 13" or "socket: arg0 == 1 || arg0 == 2; return 13"'


# Writing


def write(source: Source, remarks: Remarks) -> bytes:
    """The policy of this machine's native ABI."""
    policy = source.policy
    runtimes.beyond_filter(policy, remarks)
    if policy.default.kind not in _KILLS:
        remarks.loss(f"a call without a line kills, and is not answered {policy.default}")
    else:
        remarks.note("what has no line kills the thread, with minijail0 -T the process")
    if len(policy.abis) > 1:
        remarks.loss(f"only {policy.abis[0]} can be said: calls of other ABIs are killed")
    lines = [line for call in policy.calls if (line := _line(call, policy, remarks))]
    head = f"# {policy.name}, for {policy.abis[0]}: minijail0 -S FILE\n"
    return (head + "".join(f"{line}\n" for line in lines)).encode()


def _line(call: Call, policy: Policy, remarks: Remarks) -> str | None:
    """The line of a call; None for one that is not there, or killed anyway."""
    name = call.name
    number = syscalls.number(policy.abis[0], name)
    if number is None:
        return None
    if name.startswith("syscall_0x"):
        remarks.loss(f"{name} without a name cannot be said: it kills")
        return None
    if number >= _NEWEST:
        remarks.note(
            f'minijail refuses the file if it was built without "{name}": take it out then'
        )
    refusals = {a for a in runtimes.actions(call) if not a.permits}
    for action in {a for a in runtimes.actions(call) if a.kind in ("log", "trap")}:
        instead = "allow" if action.permits else "kill"
        remarks.loss(f'"{call.name}" cannot be answered {action}: {instead} instead')
    said = sorted({_said(action) for action in refusals})
    refusal = f"return {said[0]}" if said and said[0] else ""
    if len(said) > 1:
        remarks.loss(f'"{call.name}" can have one refusal: {refusal or "kill"} for every one')
    return _written(name, call, refusal, remarks)


def _said(action: Action) -> str:
    """The number of an error; empty for what kills."""
    return str(syscalls.errno_number(action.errno)) if action.errno else ""


def _written(name: str, call: Call, refusal: str, remarks: Remarks) -> str | None:
    if not call.clauses:
        return f"{name}: 1" if call.otherwise.permits else f"{name}: {refusal}" if refusal else None
    try:
        groups = list(_allowed(call))
        if len(groups) > _MOST_GROUPS:
            raise cubes.TooMany
    except cubes.TooMany:
        remarks.loss(
            f'the arguments of "{call.name}" are too many to say: refused whatever they are'
        )
        return f"{name}: {refusal}" if refusal else None
    if not groups:
        return f"{name}: {refusal}" if refusal else None
    if () in groups:
        return f"{name}: 1"
    allowed = " || ".join(" && ".join(_atoms(group)) for group in groups)
    return f"{name}: {allowed}{f'; {refusal}' if refusal else ''}"


def _allowed(call: Call) -> Iterator[tuple[Condition, ...]]:
    """Alternatives that allow the call; clauses of different actions exclude each other."""
    if not call.otherwise.permits:
        yield from (clause.conditions for clause in call.clauses if clause.action.permits)
        return
    refused = [clause.conditions for clause in call.clauses if not clause.action.permits]
    if len(refused) == 1 and len(refused[0]) == 1 and (opposite := _opposite(refused[0][0])):
        yield (opposite,)
        return
    boxes = [box for conditions in refused for box in cubes.of_conditions(conditions)]
    for box in cubes.without([cubes.EVERYTHING], boxes, _MOST_GROUPS):
        yield cubes.of_box(box)


def _opposite(condition: Condition) -> Condition | None:
    opposites: dict[Operator, Operator] = {
        "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    }  # fmt: skip
    whole = condition.mask == FULL_MASK
    return condition._replace(op=opposites[condition.op]) if whole else None


def _atoms(conditions: Iterable[Condition]) -> Iterator[str]:
    for c in conditions:
        if c.mask == FULL_MASK:
            yield f"arg{c.index} {c.op} {_number(c.value)}"
            continue
        # "&" asks whether one of the bits is set, "in" whether all others are not.
        bits = (1 << at for at in range(64) if c.value >> at & 1)
        yield from (f"arg{c.index} & {_number(bit)}" for bit in bits)
        if clear := c.mask & ~c.value:
            yield f"arg{c.index} in {_number(~clear & FULL_MASK)}"


def _number(value: int) -> str:
    return str(value) if value < 1024 else f"{value:#x}"


# Reading


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of a file."""
    calls: dict[str, Call] = {}
    for number, line in _lines(text(data, context), context):
        if line.startswith("@frequency"):
            remarks.note(f"line {number}: @frequency changes no answer")
            continue
        call = _call(line, number, context)
        if call.name in calls:
            context.fail(
                number, f'"{call.name}" stands on {calls[call.name].place} already: take one out'
            )
        calls[call.name] = call
    remarks.note("what has no line kills the process; under minijail0 without -T only the thread")
    name = context.path.rpartition("/")[2].removesuffix(".policy")
    every = tuple(calls[name] for name in sorted(calls))
    return Policy(name, "", KILL_PROCESS, (context.abi,), every)


def _lines(content: str, context: Context) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a backslash at the end continues one."""
    joined, first = "", 0
    for number, raw in enumerate(content.split("\n"), 1):
        line = raw.strip()
        if not joined and (not line or line.startswith("#")):
            continue
        first = first or number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        yield first, joined
        joined, first = "", 0
    if joined:
        context.fail(first, "the last line is continued and there is no next: take the \\ out")


def _call(line: str, number: int, context: Context) -> Call:
    if line.startswith("@"):
        context.fail(number, "what is included is not looked for: put those lines here")
    name, colon, rest = line.partition(":")
    name = name.strip()
    if not colon or not re.fullmatch(r"\w+", name):
        context.fail(number, f"not understood; {_FORM}")
    if name.isdecimal():
        name = syscalls.name(context.abi, int(name))
    expression, semicolon, tail = (part.strip() for part in rest.partition(";"))
    refusal = _refusal(tail, number, context) if semicolon else KILL_PROCESS
    place = f"line {number}"
    if expression in ("1", "allow"):
        return Call(name, (), ALLOW, place)
    if expression.startswith(("return", "kill", "trap", "log")):
        return Call(name, (), _refusal(expression, number, context), place)
    clauses = tuple(
        Clause(ALLOW, tuple(_condition(atom, number, context) for atom in group.split("&&")))
        for group in expression.split("||")
    )
    return Call(name, clauses, refusal, place)


def _refusal(words: str, number: int, context: Context) -> Action:
    known = {"kill": KILL_PROCESS, "kill-process": KILL_PROCESS, "log": Action("log")}
    known |= {"kill-thread": Action("kill_thread"), "trap": Action("trap")}
    if words in known:
        return known[words]
    match = re.fullmatch(r"return\s+(\w+)", words)
    word = match[1] if match else ""
    name = syscalls.errno_name(int(word, 0)) if _NUMBER.fullmatch(word) else word
    if not match or syscalls.errno_number(name) is None:
        context.fail(number, f'"{words}" is no answer: write "return 13", or an error that exists')
    return Action("errno", name)


def _condition(atom: str, number: int, context: Context) -> Condition:
    match = _ATOM.fullmatch(atom.strip())
    if match is None or int(match[1]) > 5:
        context.fail(number, f'"{atom.strip()}" is no condition; write "arg0 == 1", arg0 to arg5')
    index, value = int(match[1]), _constant(match[3], number, context)
    if match[2] == "&":
        return Condition(index, "!=", 0, value)
    if match[2] == "in":
        return Condition(index, "==", 0, ~value & FULL_MASK)
    return Condition(index, next(op for op in _OPERATORS if op == match[2]), value)


def _constant(words: str, number: int, context: Context) -> int:
    """``0x3|~4``: numbers, joined by |, each complemented by ~."""
    value = 0
    for word in words.split("|"):
        bare = word.strip()
        minus = bare.startswith("~")
        digits = bare.removeprefix("~").strip()
        if not _NUMBER.fullmatch(digits) or len(digits) > 24:
            context.fail(number, f'"{bare}" is not taken: write named constants as numbers')
        found = int(digits, 8 if re.fullmatch(r"0[0-7]+", digits) else 0)
        if found > FULL_MASK:
            context.fail(number, f"{digits} is wider than the 64 bits of a register: give less")
        value |= ~found & FULL_MASK if minus else found
    return value


def _looks_like(path: str, data: bytes) -> bool:
    return path.endswith(".policy") or bool(re.search(rb"(?m)^\w+:\s*(1|return|arg\d)", data))


FORMAT = Format("minijail", "policies of minijail0 -S", write, read, _looks_like)
