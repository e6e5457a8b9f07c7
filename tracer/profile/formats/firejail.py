"""The lines of a firejail profile: seccomp.keep, seccomp.drop and what goes with them.

firejail knows names, no arguments, and one answer for what a list to keep leaves out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer import capabilities, syscalls
from tracer.errors import ProfileError
from tracer.profile import groups
from tracer.profile.formats import runtimes
from tracer.profile.formats.interface import Context, Format, Source, hint, text
from tracer.profile.formats.policy import Call, Policy, Remarks, without_arguments
from tracer.profile.records import ALLOW, KILL_PROCESS, Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KNOWN = ("seccomp", "seccomp.keep", "seccomp.drop", "seccomp-error-action")
_KNOWN_TOO = ("protocol", "memory-deny-write-execute")
_LIMITS = {
    "cpu_seconds": "rlimit-cpu",
    "address_space_bytes": "rlimit-as",
    "open_files": "rlimit-nofile",
    "file_size_bytes": "rlimit-fsize",
}
_NOT_TAKEN = {
    **dict.fromkeys(_LIMITS.values(), "[limits] can say it"),
    **dict.fromkeys(("caps", "caps.keep", "caps.drop"), "[privileges] can say it"),
    "include": "what that file says of calls is not in the profile",
}
_EPERM = Action("errno", "EPERM")


def write(source: Source, remarks: Remarks) -> bytes:
    """The lines."""
    policy = source.policy
    calls = [
        without_arguments(call, policy, remarks) for call in runtimes.with_names(policy, remarks)
    ]
    calls = [c for c in calls if syscalls.number(policy.abis[0], c.name) is not None]
    lines = [f"# {policy.name}", *_filter(policy, calls, remarks)]
    if len(policy.abis) == 1:
        lines.append("seccomp.block-secondary")
        remarks.note("seccomp.block-secondary also refuses a change of personality")
    else:
        remarks.loss(f"the rules are for {policy.abis[0]}: calls of other ABIs pass unfiltered")
    remarks.note("firejail needs calls of its own to start a program: it adds execve and others")
    lines += [*_limits(policy, remarks), *_capabilities(policy)]
    return ("\n".join([*lines, "nonewprivs"]) + "\n").encode()


def _filter(policy: Policy, calls: Iterable[Call], remarks: Remarks) -> Iterator[str]:
    if policy.default.permits:
        if policy.default != ALLOW:
            remarks.loss(f"other calls cannot be answered {policy.default}: allow instead")
        refused = [call for call in calls if not call.otherwise.permits]
        if not refused:
            raise ProfileError(f"{policy.name} refuses no call, so there is no line to write")
        words = (f"{call.name}:{_word(call.otherwise, remarks)}" for call in refused)
        yield f"seccomp.drop {','.join(words)}"
        return
    for call in calls:
        if call.otherwise not in (ALLOW, policy.default):
            instead = "allow" if call.otherwise.permits else str(policy.default)
            remarks.loss(f'"{call.name}" cannot be answered {call.otherwise}: {instead} instead')
    kept = [call.name for call in calls if call.otherwise.permits]
    if not kept:
        raise ProfileError(f"{policy.name} allows no call, and firejail has no empty list to keep")
    yield f"seccomp.keep {','.join(kept)}"
    yield f"seccomp-error-action {_word(policy.default, remarks)}"


def _word(action: Action, remarks: Remarks) -> str:
    if action.kind in ("kill_thread", "trap"):
        remarks.loss(f"{action} cannot be said: kill_process instead")
    return action.errno or "kill"


def _limits(policy: Policy, remarks: Remarks) -> Iterator[str]:
    given = policy.limits._asdict() if policy.limits else {}
    for key, value in given.items():
        if value is not None and key in _LIMITS:
            yield f"{_LIMITS[key]} {value}"
        elif value is not None:
            remarks.loss(f"[limits] {key.removesuffix('_bytes')} cannot be said")


def _capabilities(policy: Policy) -> Iterator[str]:
    if isinstance(policy.capabilities, int):
        names = [name[4:].lower() for name in capabilities.names_of(policy.capabilities)]
        yield f"caps.keep {','.join(names)}" if names else "caps.drop all"


class _Lines:
    """What the lines about seccomp amount to, in their order."""

    def __init__(self, context: Context, remarks: Remarks) -> None:
        self._context, self._remarks = context, remarks
        self.kept: dict[str, int] | None = None
        """Names with their lines; None: there is no such list."""
        self.dropped: dict[str, tuple[Action | None, int]] = {}
        self.refusal = _EPERM
        self.only_native = False

    def take(self, number: int, line: str) -> None:
        """Take one line into account, if it is about seccomp. Raises ProfileError."""
        key, _, value = line.partition(" ")
        if key == "seccomp.keep":
            self.kept = dict.fromkeys(self._all(value, number), number)
        elif key == "seccomp.drop":
            self._drop(value, number)
        elif key == "seccomp-error-action":
            self.refusal = _action(value.strip(), number, self._context)
        elif key == "seccomp.block-secondary":
            self.only_native = True
        elif key in _NOT_TAKEN:
            self._remarks.note(f"{key} (line {number}) is not taken over: {_NOT_TAKEN[key]}")
        elif key in _KNOWN_TOO:
            self._remarks.loss(f"{key} (line {number}) is a filter of firejail's, not taken over")
        elif key.startswith("seccomp"):
            self._refuse(key, number)

    def _all(self, value: str, number: int) -> list[str]:
        words = _words(value, number, self._context)
        return [name for word in words for name in _names(word, number, self._context)]

    def _drop(self, value: str, number: int) -> None:
        for word in _words(value, number, self._context):
            name, colon, answer = word.partition(":")
            action = _action(answer, number, self._context) if colon else None
            names = _names(name, number, self._context)
            self.dropped |= dict.fromkeys(names, (action, number))

    def _refuse(self, key: str, number: int) -> None:
        if key == "seccomp":
            why = "firejail's own list is not known here: write seccomp.drop"
            self._context.fail(number, why)
        self._context.fail(number, f'unknown setting "{key}"{hint(key, _KNOWN)}')


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of a firejail profile: of its lines about seccomp."""
    found = _Lines(context, remarks)
    for number, line in enumerate(text(data, context).split("\n"), 1):
        found.take(number, line.strip())
    if found.kept is None and not found.dropped:
        context.fail(None, "no line about seccomp: add seccomp.keep or seccomp.drop")
    remarks.note("what firejail lets through for its own start is not in the profile")
    if not found.only_native and syscalls.FOREIGN_ABIS.get(context.abi):
        remarks.note("calls of other ABIs kill the process here, and pass in firejail")
    name = context.path.rpartition("/")[2].removesuffix(".profile")
    default = ALLOW if found.kept is None else found.refusal
    calls = tuple(_calls(found.kept, found.dropped, found.refusal))
    return Policy(name, "", default, (context.abi,), calls)


def _calls(
    kept: dict[str, int] | None, dropped: dict[str, tuple[Action | None, int]], refusal: Action
) -> Iterator[Call]:
    for name in sorted({*(kept or {}), *dropped}):
        if name in dropped:
            action, line = dropped[name]
            yield Call(name, (), action or refusal, f"line {line}")
        else:
            yield Call(name, (), ALLOW, f"line {(kept or {})[name]}")


def _words(value: str, line: int, context: Context) -> list[str]:
    words = [word.strip() for word in value.split(",")]
    if not all(words):
        context.fail(line, "a name is missing: names stand apart by commas, as read,write")
    return words


def _names(word: str, line: int, context: Context) -> frozenset[str]:
    if word.startswith("@"):
        if word not in groups.descriptions():
            context.fail(line, f'unknown group "{word}"{hint(word, groups.descriptions())}')
        return groups.members(word)
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", word):
        context.fail(line, f'"{word}" is no name of a call; write it as in seccomp.drop mount')
    return frozenset({word})


def _action(word: str, line: int, context: Context) -> Action:
    if word == "kill":
        return KILL_PROCESS
    if word == "log":
        return Action("log")
    if syscalls.errno_number(word) is None:
        context.fail(line, f'unknown answer "{word}": write kill, log or an error such as EPERM')
    return Action("errno", word)


def _looks_like(path: str, data: bytes) -> bool:
    return path.endswith(".profile") or bool(re.search(rb"(?m)^seccomp[. -]", data))


FORMAT = Format("firejail", "lines of a firejail profile", write, read, _looks_like)
