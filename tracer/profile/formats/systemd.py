"""The lines of a systemd unit: SystemCallFilter= and what goes with it; systemd.exec(5).

A unit knows names and groups, no arguments, and one answer for what an allow-list leaves out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracer import capabilities, syscalls
from tracer.profile import groups
from tracer.profile.formats import runtimes
from tracer.profile.formats.interface import Context, Format, Source, hint, text
from tracer.profile.formats.policy import Call, Policy, Remarks, without_arguments
from tracer.profile.records import ALLOW, KILL_PROCESS, Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ARCHITECTURES = {"x86_64": "x86-64", "i386": "x86", "x32": "x32", "arm64": "arm64", "arm": "arm"}
_DEFAULT = "@default"
_KEYS = (
    *("SystemCallFilter", "SystemCallErrorNumber", "SystemCallArchitectures", "SystemCallLog"),
)
_ALSO_FILTERS = (
    *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
    *("MemoryDenyWriteExecute", "LockPersonality", "ProtectClock", "ProtectHostname"),
    *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "PrivateDevices"),
)
"""Settings that systemd makes filters of, too: systemd.exec(5)."""
_OFF = ("no", "false", "0", "off", "")
_LIMITS = {
    "cpu_seconds": "LimitCPU",
    "address_space_bytes": "LimitAS",
    "data_bytes": "LimitDATA",
    "open_files": "LimitNOFILE",
    "file_size_bytes": "LimitFSIZE",
    "core_bytes": "LimitCORE",
    "processes": "TasksMax",
    "wall_seconds": "RuntimeMaxSec",
}
_NOT_TAKEN = {
    **dict.fromkeys(_LIMITS.values(), "[limits]"),
    "CapabilityBoundingSet": "[privileges]",
}
_WIDTH = 96


# Writing


def write(source: Source, remarks: Remarks) -> bytes:
    """The lines, for a drop-in: [Service] stands above them."""
    policy = source.policy
    calls = [
        without_arguments(call, policy, remarks) for call in runtimes.with_names(policy, remarks)
    ]
    lines = ["[Service]", f"SystemCallArchitectures={' '.join(_architectures(policy))}"]
    lines += _allowing(policy, calls, remarks) if policy.default.permits else []
    lines += [] if policy.default.permits else _listing(policy, calls, remarks)
    lines += _logged(policy, calls)
    lines += _limits(policy)
    lines += _capabilities(policy, remarks)
    if len(policy.abis) == 1:
        remarks.note("a call by another ABI kills the thread there, not the process")
    return ("\n".join(lines) + "\n").encode()


def _architectures(policy: Policy) -> Iterator[str]:
    yield "native"
    yield from (_ARCHITECTURES[abi] for abi in policy.abis[1:])


def _listing(policy: Policy, calls: Iterable[Call], remarks: Remarks) -> Iterator[str]:
    """An allow-list; what systemd adds to it by itself is taken out again."""
    allowed = {call.name for call in calls if call.otherwise.permits}
    for call in calls:
        if not call.otherwise.permits and call.otherwise != policy.default:
            remarks.loss(
                f'"{call.name}" cannot be answered {call.otherwise} beside an allow-list: '
                f"{_said(policy.default, remarks)}"
            )
    yield from _lines("SystemCallFilter", sorted(allowed) or [_DEFAULT])
    added = groups.members(_DEFAULT) & syscalls.names(policy.abis[0])
    yield from _lines("SystemCallFilter", sorted(added - allowed), "~")
    said = _said(policy.default, remarks)
    if said.errno:
        yield f"SystemCallErrorNumber={said.errno}"


def _allowing(policy: Policy, calls: Iterable[Call], remarks: Remarks) -> Iterator[str]:
    """A deny-list, each call with its answer."""
    refused = [call for call in calls if not call.otherwise.permits]
    words = [f"{call.name}:{_said(call.otherwise, remarks).errno or 'kill'}" for call in refused]
    yield from _lines("SystemCallFilter", sorted(words), "~")


def _said(action: Action, remarks: Remarks) -> Action:
    """The answer as a unit can say it."""
    if action.kind in ("kill_thread", "trap"):
        remarks.loss(f"{action} cannot be said: kill_process instead")
        return KILL_PROCESS
    return action


def _logged(policy: Policy, calls: Iterable[Call]) -> Iterator[str]:
    if policy.default.kind == "log":
        quiet = sorted(call.name for call in calls if call.otherwise != policy.default)
        yield from _lines("SystemCallLog", quiet or ["@known"], "~" if quiet else "")
        return
    yield from _lines("SystemCallLog", sorted(c.name for c in calls if c.otherwise.kind == "log"))


def _lines(key: str, words: list[str], sign: str = "") -> Iterator[str]:
    """As many lines as it takes: systemd adds them up."""
    line = ""
    for word in words:
        if line and len(line) + len(word) > _WIDTH:
            yield line
            line = ""
        line = f"{line} {word}" if line else f"{key}={sign}{word}"
    if line:
        yield line


def _limits(policy: Policy) -> Iterator[str]:
    given = policy.limits._asdict() if policy.limits else {}
    for key, value in given.items():
        if value is not None:
            yield (
                f"{_LIMITS[key]}={value:g}"
                if isinstance(value, float)
                else f"{_LIMITS[key]}={value}"
            )


def _capabilities(policy: Policy, remarks: Remarks) -> Iterator[str]:
    if isinstance(policy.capabilities, int):
        yield f"CapabilityBoundingSet={' '.join(capabilities.names_of(policy.capabilities))}"
    elif policy.capabilities is None and policy.default != ALLOW:
        remarks.note("capabilities are left as the unit has them: see CapabilityBoundingSet=")
    yield "NoNewPrivileges=yes"


# Reading


class _Setting(NamedTuple):
    line: int
    key: str
    value: str


class _Filter:
    """What the assignments of SystemCallFilter= amount to, in their order."""

    def __init__(self) -> None:
        self.is_allow_list: bool | None = None
        """None: there is no filter."""
        self.listed: dict[str, tuple[Action | None, int]] = {}
        """The answer, and the line; None is that of SystemCallErrorNumber=."""


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of a unit, a drop-in, or lines alone."""
    settings = list(_settings(text(data, context), context))
    _say_others(settings, remarks)
    found = _filter(settings, context, remarks)
    logged, log_others = _log(settings, context, remarks)
    refusal = _refusal(settings, context)
    default = refusal if found.is_allow_list else ALLOW
    if log_others and default == ALLOW:
        default = Action("log")
    calls = _calls(found, refusal, logged, log_others=log_others)
    name = re.sub(r"\.(service|conf|socket|scope)$", "", context.path.rpartition("/")[2])
    return Policy(name, "", default, _abis(settings, context), calls)


def _settings(content: str, context: Context) -> Iterator[_Setting]:
    """The assignments; a backslash at the end of a line continues it."""
    joined, first = "", 0
    for number, raw in enumerate(content.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        first = first or number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if not re.fullmatch(r"\[[^\[\]]+\]", joined):
            yield _setting(joined, first, context)
        joined, first = "", 0
    if joined:
        context.fail(first, "the last line is continued and there is no next: take the \\ out")


def _setting(line: str, number: int, context: Context) -> _Setting:
    key, sign, value = line.partition("=")
    if not sign or not re.fullmatch(r"\w+", key.strip()):
        context.fail(number, "is neither [Section] nor Setting=value; comments begin with #")
    key = key.strip()
    if key.lower().startswith("systemcall") and key not in _KEYS:
        context.fail(number, f'unknown setting "{key}"{hint(key, _KEYS)}')
    return _Setting(number, key, value.strip())


def _say_others(settings: Iterable[_Setting], remarks: Remarks) -> None:
    for setting in settings:
        if setting.key in _ALSO_FILTERS and setting.value.lower() not in _OFF:
            remarks.loss(
                f"{setting.key}= (line {setting.line}) is a filter of systemd's own making, which "
                "is not taken over"
            )
        elif setting.key in _NOT_TAKEN:
            section = _NOT_TAKEN[setting.key]
            remarks.note(
                f"{setting.key}= (line {setting.line}) is not taken over: {section} can say it"
            )


def _filter(settings: Iterable[_Setting], context: Context, remarks: Remarks) -> _Filter:
    found = _Filter()
    for setting in settings:
        if setting.key != "SystemCallFilter":
            continue
        if not setting.value:
            found = _Filter()
            continue
        inverted = setting.value.startswith("~")
        if found.is_allow_list is None:
            found.is_allow_list = not inverted
            if not inverted:
                found.listed |= dict.fromkeys(groups.members(_DEFAULT), (None, setting.line))
        for word in setting.value.removeprefix("~").split():
            _apply(found, word, inverted, setting.line, context, remarks)
    return found


def _apply(
    found: _Filter, word: str, inverted: bool, line: int, context: Context, remarks: Remarks
) -> None:
    name, colon, errno = word.partition(":")
    if colon and not inverted:
        context.fail(line, f'"{word}": only what ~ refuses may have an error; write ~{word}')
    action = _action(errno, line, context) if colon else None
    names = _names(name, line, context, remarks)
    if inverted == found.is_allow_list:
        for each in names:
            found.listed.pop(each, None)
        if colon:
            remarks.note(f'line {line}: the error of "{word}" counts in a deny-list only')
    else:
        found.listed |= dict.fromkeys(names, (action, line))


def _names(word: str, line: int, context: Context, remarks: Remarks) -> frozenset[str]:
    if not word.startswith("@"):
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", word):
            context.fail(line, f'"{word}" is no name of a call; names stand apart by spaces')
        return frozenset({word})
    if word == groups.KNOWN:
        return syscalls.names(context.abi)
    if word not in groups.descriptions():
        context.fail(line, f'unknown group "{word}"{hint(word, groups.descriptions())}')
    return groups.members(word)


def _action(word: str, line: int, context: Context) -> Action:
    if word == "kill":
        return KILL_PROCESS
    name = syscalls.errno_name(int(word)) if word.isdecimal() and len(word) < 5 else word
    if syscalls.errno_number(name) is None:
        context.fail(line, f'unknown error "{word}": write kill, or one such as EPERM')
    return Action("errno", name)


def _refusal(settings: Iterable[_Setting], context: Context) -> Action:
    found = KILL_PROCESS
    for setting in settings:
        if setting.key == "SystemCallErrorNumber":
            found = _action(setting.value or "kill", setting.line, context)
    return found


def _log(
    settings: Iterable[_Setting], context: Context, remarks: Remarks
) -> tuple[dict[str, int], bool]:
    """The names with their lines, and whether they are those that are not logged."""
    names: dict[str, int] = {}
    inverted: bool | None = None
    for setting in settings:
        if setting.key != "SystemCallLog":
            continue
        if not setting.value:
            names, inverted = {}, None
            continue
        minus = setting.value.startswith("~")
        inverted = minus if inverted is None else inverted
        for word in setting.value.removeprefix("~").split():
            for name in _names(word, setting.line, context, remarks):
                if minus == inverted:
                    names[name] = setting.line
                else:
                    names.pop(name, None)
    return names, bool(inverted)


def _calls(
    found: _Filter, refusal: Action, logged: dict[str, int], *, log_others: bool
) -> tuple[Call, ...]:
    lines = {**logged, **{name: line for name, (_, line) in found.listed.items()}}
    return tuple(
        Call(
            name, (), _answer(name, found, refusal, (name in logged) != log_others), f"line {line}"
        )
        for name, line in sorted(lines.items())
    )


def _answer(name: str, found: _Filter, refusal: Action, is_logged: bool) -> Action:
    """Of both filters the stricter answer."""
    listed = name in found.listed
    if found.is_allow_list is not None and listed != found.is_allow_list:
        return (found.listed[name][0] if listed else None) or refusal
    return Action("log") if is_logged else ALLOW


def _abis(settings: Iterable[_Setting], context: Context) -> tuple[str, ...]:
    """Those that are listed; without a list systemd filters them all by the same names."""
    served = syscalls.FOREIGN_ABIS.get(context.abi, ())
    listed: list[str] | None = None
    for setting in settings:
        if setting.key == "SystemCallArchitectures":
            words = setting.value.split()
            for word in words:
                if not re.fullmatch(r"[a-z0-9-]+", word):
                    context.fail(setting.line, f'"{word}" is no architecture; such as native, x86')
            listed = [*(listed or []), *words] if words else None
    if listed is None:
        return (context.abi, *served)
    return (context.abi, *(abi for abi in served if _ARCHITECTURES[abi] in listed))


def _looks_like(path: str, data: bytes) -> bool:
    return b"SystemCall" in data or path.endswith((".service", ".conf"))


FORMAT = Format("systemd", "lines of a systemd unit", write, read, _looks_like)
