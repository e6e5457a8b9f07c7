"""The filter itself, struct sock_filter[] of this machine: what bubblewrap's --seccomp takes.

Reading follows every way through it, so a filter of whatever origin becomes a profile.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.errors import FilterError, ProfileError
from tracer.profile import cubes, execs, machine, once
from tracer.profile.cases import unnamed
from tracer.profile.formats import clauses, runtimes
from tracer.profile.formats.interface import Context, Format, Source
from tracer.profile.formats.policy import Call, Policy, Remarks
from tracer.profile.records import ACTION_KINDS, Action, demultiplex
from tracer.profile.verdicts import strictest, verdict
from tracer.profile.ways import stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.machine import Program
    from tracer.profile.verdicts import Verdict
    from tracer.profile.ways import Way

_ASKING = {"user_notif": "a listener", "trace": "a tracer"}
_MULTIPLEXERS = ("socketcall", "ipc")
_KILLS = ("kill_process", "kill_thread")


def write(source: Source, remarks: Remarks) -> bytes:
    """The instructions. Raises ProfileError where the profile needs no filter."""
    runtimes.beyond_filter(source.policy, remarks)
    program = source.compiled().program()
    if not program:
        raise ProfileError(f"{source.policy.name} restricts nothing, so it has no filter to write")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of one filter."""
    try:
        program = machine.program(data)
    except FilterError as error:
        context.fail(None, f"no filter that this kernel would load: {error}; export it anew")
    refusing = once.without_secret(program)
    return of_filters((refusing or program,), context, remarks, exec_once=refusing is not None)


def of_filters(
    filters: Sequence[Program], context: Context, remarks: Remarks, *, exec_once: bool = False
) -> Policy:
    """The policy of filters that are in force together, the oldest first.

    ``exec_once``: they are of ``exec = "once"``, and without its secret.

    Raises FilterError where they cannot be followed, ProfileError where they depend on the place
    of the call.
    """
    asked = _Filters(filters, context, remarks)
    default, calls = asked.unnamed(context.abi)
    if exec_once:  # it refuses numbers that are no call's, too
        calls = {name: call for name, call in calls.items() if not _is_exec(context.abi, name)}
    calls |= {name: asked.call(context.abi, name) for name in syscalls.names(context.abi)}
    served = [abi for abi in syscalls.FOREIGN_ABIS.get(context.abi, ()) if not asked.kills(abi)]
    for abi in served:
        for name in syscalls.names(abi).difference(calls, _MULTIPLEXERS):
            calls[name] = asked.call(abi, name)
        for name in _MULTIPLEXERS if abi == "i386" else ():
            call = asked.call(abi, name)
            calls |= {} if call.clauses else {name: call}
    name = context.path.rpartition("/")[2].removesuffix(".bpf")
    every = tuple(calls[name] for name in sorted(calls))
    policy = Policy(name, "", default, (context.abi,), every, exec_once=exec_once)
    alike = [abi for abi in served if asked.agrees(policy, abi)]
    for abi in (abi for abi in served if abi not in alike):
        remarks.loss(
            f"{abi} is left out, so that its calls kill the process: there the filter answers "
            "calls of the same names in another way"
        )
    return policy._replace(abis=(context.abi, *alike))


def _is_exec(abi: str, name: str) -> bool:
    return syscalls.number(abi, name) in execs.numbers(abi)


class _Filters:
    def __init__(self, filters: Sequence[Program], context: Context, remarks: Remarks) -> None:
        self._filters, self._context, self._remarks = filters, context, remarks
        self.default = Action("kill_process")

    def call(self, abi: str, name: str) -> Call:
        """What becomes of a call, in clauses that exclude each other."""
        ways = stacked(self._filters, abi, syscalls.number(abi, name) or 0)
        return self._of_ways(name, ways)

    def _of_ways(self, name: str, ways: Sequence[Way]) -> Call:
        if len({way.value for way in ways}) == 1:
            return Call(name, (), self._action(verdict(ways[0].value), name))
        if any(fact.word.at < machine.ARGS_AT for way in ways for fact in way.facts):
            self._context.fail(
                None, "the filter looks at the place of the call, which no profile can: leave it be"
            )
        said = [clauses.Way(self._action(verdict(way.value), name), way.facts) for way in ways]
        try:
            return clauses.call(name, said, self.default)
        except cubes.TooMany:
            self._context.fail(
                None, f'the filter asks more of the arguments of "{name}" than a profile can say'
            )

    def unnamed(self, abi: str) -> tuple[Action, dict[str, Call]]:
        """The answer for calls that are newer than the filter, and numbers that get another."""
        numbers = {syscalls.number(abi, name) or 0 for name in syscalls.names(abi)}
        answers = {nr: self._answer(abi, nr) for nr in unnamed(self._filters, numbers, 0)}
        default = answers[max(answers)]
        others = [nr for nr, answer in answers.items() if answer != default]
        alone = [nr for nr in others if self._stands_alone(abi, nr, default)]
        self._say_stretches([nr for nr in others if nr not in alone], max(numbers), default)
        names = [syscalls.name(abi, nr) for nr in alone]
        self.default = self._action(verdict(default), "every other call")
        return self.default, {name: self.call(abi, name) for name in names}

    def _stands_alone(self, abi: str, nr: int, default: int) -> bool:
        """Whether the numbers beside it are answered as by default, or have names."""
        beside = [near for near in (nr - 1, nr + 1) if syscalls.name(abi, near)[:8] == "syscall_"]
        return all(self._answer(abi, near) == default for near in beside)

    def _say_stretches(self, numbers: Sequence[int], last: int, default: int) -> None:
        text = f"are not answered {verdict(default)} there, as all that have no name are here"
        if above := [nr for nr in numbers if nr > last]:
            self._remarks.loss(f"numbers above all calls, such as {min(above)}, {text}")
        elif numbers:
            self._remarks.note(f"numbers that are no call, such as {min(numbers)}, {text}")

    def _answer(self, abi: str, nr: int) -> int:
        """The strictest answer that a call may get."""
        return strictest(way.value for way in stacked(self._filters, abi, nr))

    def kills(self, abi: str) -> bool:
        """Whether every call of an ABI kills, by whatever arguments."""
        names = syscalls.names(abi)
        first = syscalls.X32_BIT if abi == "x32" else 0
        numbers = {syscalls.number(abi, name) or 0 for name in names}
        every = numbers.union(unnamed(self._filters, numbers, first))
        kinds = {verdict(way.value).kind for nr in every for way in stacked(self._filters, abi, nr)}
        if kinds == {"kill_thread"}:
            self._remarks.note(f"a call of {abi} kills the thread there, the process in a profile")
        return kinds <= set(_KILLS)

    def agrees(self, policy: Policy, abi: str) -> bool:
        """Whether calls of another ABI are answered as the policy says by their names."""
        return all(
            self._said(abi, nr, args) == policy.decide(_meant(name, args), args)
            for name in syscalls.names(abi)
            if (nr := syscalls.number(abi, name)) is not None
            for args in _examples(policy, name)
        )

    def _said(self, abi: str, nr: int, args: tuple[int, ...]) -> Action:
        answers = [machine.run(each, abi, nr, args) for each in reversed(self._filters)]
        return self._action(verdict(strictest(answers)), syscalls.name(abi, nr))

    def _action(self, said: Verdict, name: str) -> Action:
        if said.kind in _ASKING:
            self._remarks.loss(
                f"{name}: {said.kind} asks {_ASKING[said.kind]}, which a profile cannot: "
                "errno:ENOSYS instead, as if there were none"
            )
            return Action("errno", "ENOSYS")
        if said.kind == "errno" and syscalls.errno_number(str(said)[6:]) is None:
            self._remarks.loss(
                f"{name}: the error {said.data} has no name, so a profile cannot return it: "
                "EPERM instead"
            )
            return Action("errno", "EPERM")
        kind = next(kind for kind in ACTION_KINDS if kind == said.kind)
        return Action(kind, str(said)[6:] if kind == "errno" else None)


def _meant(name: str, args: tuple[int, ...]) -> str:
    return demultiplex(name, args) or name


def _examples(policy: Policy, name: str) -> list[tuple[int, ...]]:
    """Arguments that tell the clauses of a call apart, and 0."""
    call = next((call for call in policy.calls if call.name == name), None)
    values = {c.value for clause in (call.clauses if call else ()) for c in clause.conditions}
    alike = [(value & 0xFFFF_FFFF,) * 6 for near in values for value in (near, near + 1)]
    multiplexed = [(n, 0, 0, 0, 0, 0) for n in range(25)] if name in _MULTIPLEXERS else []
    return list(dict.fromkeys([(0,) * 6, *alike, *multiplexed]))


def _looks_like(path: str, data: bytes) -> bool:
    return path.endswith(".bpf") or b"\0" in data


FORMAT = Format(
    "bpf",
    "the filter itself, as bubblewrap's --seccomp takes it",
    write,
    read,
    _looks_like,
    frozenset({"unknown"}),
)
