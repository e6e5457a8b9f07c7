"""Policies in kafel, the language of nsjail: written only.

The first rule that holds decides. Arguments are declared, as kafel compares but 32 bits of those
that it knows as ints.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile.formats import runtimes
from tracer.profile.formats.interface import Format, Source
from tracer.profile.records import FULL_MASK, Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracer.profile.formats.policy import Call, Policy, Remarks
    from tracer.profile.records import Condition

_NAMES = {
    "allow": "ALLOW",
    "log": "LOG",
    "trap": "TRAP(0)",
    "kill_thread": "KILL",
    "kill_process": "KILL_PROCESS",
}
# Kafel has these by their names in the kernel's sources, and not the newest calls.
_OTHERWISE_NAMED = {
    *("fstat", "listns", "lstat", "rseq_slice_yield", "sendfile", "stat", "umount2", "uname"),
    *("uprobe", "_sysctl"),
}
_ARGUMENTS = "(a0, a1, a2, a3, a4, a5)"


def write(source: Source, remarks: Remarks) -> bytes:
    """The policy of this machine's native ABI, as nsjail's --seccomp_policy takes it."""
    policy = source.policy
    runtimes.beyond_filter(policy, remarks)
    if len(policy.abis) > 1:
        remarks.loss(f"only {policy.abis[0]} can be said: calls of other ABIs are killed")
    else:
        remarks.note("a call by another ABI kills the thread there, not the process")
    calls = [
        call for call in policy.calls if syscalls.number(policy.abis[0], call.name) is not None
    ]
    blocks = [*_by_arguments(policy, calls), *_listed(policy, calls)]
    name = re.sub(r"\W", "_", policy.name)
    body = ",\n".join(blocks)
    use = f"USE policy_{name} " if blocks else ""
    head = f"// for {policy.abis[0]}\n"
    made = f"POLICY policy_{name} {{\n{body}\n}}\n" if blocks else ""
    return f"{head}{made}{use}DEFAULT {_target(policy.default)}\n".encode()


def _target(action: Action) -> str:
    number = syscalls.errno_number(action.errno) if action.errno else None
    return f"ERRNO({number})" if number is not None else _NAMES[action.kind]


def _by_arguments(policy: Policy, calls: Iterable[Call]) -> Iterator[str]:
    """A block for each answer: clauses of different answers exclude each other."""
    by_action: dict[Action, list[str]] = {}
    for call in calls:
        for action in dict.fromkeys(clause.action for clause in call.clauses):
            held = [c.conditions for c in call.clauses if c.action == action]
            shown = " || ".join(map(_all_of, held))
            rule = f"{_call(policy, call.name)}{_ARGUMENTS} {{ {shown} }}"
            by_action.setdefault(action, []).append(rule)
    yield from (_block(action, rules) for action, rules in by_action.items())


def _listed(policy: Policy, calls: Iterable[Call]) -> Iterator[str]:
    by_action: dict[Action, list[str]] = {}
    for call in calls:
        if call.otherwise != policy.default:
            by_action.setdefault(call.otherwise, []).append(_call(policy, call.name))
    yield from (_block(action, names) for action, names in by_action.items())


def _block(action: Action, rules: Iterable[str]) -> str:
    lines = ",\n".join(f"    {rule}" for rule in rules)
    return f"  {_target(action)} {{\n{lines}\n  }}"


def _call(policy: Policy, name: str) -> str:
    number = syscalls.number(policy.abis[0], name)
    if name.startswith("syscall_0x"):
        return f"SYSCALL[{number}]"
    return f"SYSCALL[{number}] /* {name} */" if name in _OTHERWISE_NAMED else name


def _all_of(conditions: Iterable[Condition]) -> str:
    return "(" + " && ".join(map(_condition, conditions)) + ")"


def _condition(condition: Condition) -> str:
    name = f"a{condition.index}"
    if condition.mask != FULL_MASK:
        name = f"({name} & {condition.mask:#x})"
    return f"{name} {condition.op} {condition.value:#x}"


FORMAT = Format("kafel", "policies of nsjail", write, None, lambda *_: False)
