"""From a policy to the text of a profile that decides the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import cubes, toml
from tracer.profile.formats import regions
from tracer.profile.formats.policy import named
from tracer.profile.names import elsewhere
from tracer.profile.parse import parse
from tracer.profile.records import ACTION_KINDS, FULL_MASK, MULTIPLEXED, Action, Condition
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.profile.formats.policy import Call, Policy, Remarks

_WORD = 0xFFFF_FFFF
_NAME_CHARACTERS = frozenset("._-")


def compose(policy: Policy, path: str, remarks: Remarks) -> str:
    """The profile's text, with the remarks as comments. Adds to them what is lost.

    Raises ProfileError, naming ``path``, for conditions that no profile can have.
    """
    calls = [
        _sayable(call, policy.default, path)
        for call in policy.calls
        if _exists(call, policy.default, path, remarks)
    ]
    kept = _abis(policy.abis, calls, remarks)
    table: dict[str, Any] = {"name": _name(policy.name)}
    if policy.description:
        table["description"] = policy.description
    table["default_action"] = str(policy.default)
    if policy.exec_once:
        table["exec"] = "once"
    if len(kept) > 1:
        table["abis"] = ["native", *kept[1:]]
    table |= _lists(calls, policy.default) | _rules(calls)
    text = _comments(path, remarks) + toml.dumps(table)
    parse(text, path)  # what is handed out is valid
    return text


def _exists(call: Call, default: Action, path: str, remarks: Remarks) -> bool:
    """Whether a profile can name the call; where not, that is said."""
    if syscalls.abis_with(call.name):
        return True
    reason = elsewhere(call.name) or _on_other_machines(call.name)
    if reason:
        remarks.note(f'"{printable(call.name)}" is left out: it {reason}')
    elif any(action != default for action in (call.otherwise, *(c.action for c in call.clauses))):
        near = syscalls.suggest(syscalls.native_abi(), call.name)
        hint = f' (did you mean "{near}"?)' if near else ""
        remarks.loss(
            f'{_at(path, call)}no kernel has a call "{printable(call.name)}"{hint}: it is left '
            "out, as runtimes do in silence"
        )
    return False


def _on_other_machines(name: str) -> str | None:
    from system_calls.tables.names import syscalls_names

    return "exists only on other machines" if name in syscalls_names else None


def _at(path: str, call: Call) -> str:
    return f"{path}: {call.place}: " if call.place else f"{path}: "


def _sayable(call: Call, default: Action, path: str) -> Call:
    try:
        return regions.sayable(call, default)
    except cubes.TooMany:
        raise ProfileError(
            printable(
                f'{_at(path, call)}the conditions of "{call.name}" are too many for a profile when '
                "written as equalities; compare fewer arguments, or by == only"
            )
        ) from None


def _abis(abis: tuple[str, ...], calls: Iterable[Call], remarks: Remarks) -> tuple[str, ...]:
    """Those that the rules can be kept on; the others are a loss."""
    kept = list(abis)
    unchecked = {c.name for c in calls if c.clauses} & (MULTIPLEXED | {"socketcall", "ipc"})
    if "i386" in kept and unchecked:
        kept.remove("i386")
        remarks.loss(
            "i386 is left out, so that its calls kill the process: arguments of "
            f"{named(unchecked)} cannot be checked there, as socketcall and ipc hide them"
        )
    wide = {c.name for c in calls if any(map(_is_wide, _conditions(c)))}
    for abi in [abi for abi in kept if abi in syscalls.ABI_32BIT and wide]:
        kept.remove(abi)
        remarks.loss(
            f"{abi} is left out, so that its calls kill the process: the values of {named(wide)} "
            "are wider than its 32 bits"
        )
    return tuple(kept)


def _conditions(call: Call) -> list[Condition]:
    return [condition for clause in call.clauses for condition in clause.conditions]


def _is_wide(condition: Condition) -> bool:
    mask = 0 if condition.mask == FULL_MASK else condition.mask
    return max(condition.value, mask) > _WORD


def _lists(calls: Iterable[Call], default: Action) -> dict[str, Any]:
    by_action: dict[Action, list[str]] = {}
    for call in calls:
        if call.otherwise != default:
            by_action.setdefault(call.otherwise, []).append(call.name)
    table: dict[str, Any] = {
        kind: sorted(by_action[Action(kind)]) for kind in ACTION_KINDS if Action(kind) in by_action
    }
    errnos = {a.errno: sorted(names) for a, names in by_action.items() if a.errno}
    return table | ({"errno": errnos} if errnos else {})


def _rules(calls: Iterable[Call]) -> dict[str, Any]:
    """A table for each action of a call; calls with the same alternatives share it."""
    shared: dict[tuple[Action, tuple[tuple[str, ...], ...]], list[str]] = {}
    for call in calls:
        for action in dict.fromkeys(clause.action for clause in call.clauses):
            alternatives = tuple(
                tuple(map(str, clause.conditions))
                for clause in call.clauses
                if clause.action == action
            )
            shared.setdefault((action, alternatives), []).append(call.name)
    rules = [
        {
            "syscalls": sorted(names),
            "action": str(action),
            "args": list(alternatives[0])
            if len(alternatives) == 1
            else list(map(list, alternatives)),
        }
        for (action, alternatives), names in shared.items()
    ]
    return {"rule": rules} if rules else {}


def _name(name: str) -> str:
    """A name that a profile can have."""
    kept = "".join(
        c if (c.isascii() and c.isalnum()) or c in _NAME_CHARACTERS else "-" for c in name
    )
    return kept.strip("._-")[:64] or "imported"


def _comments(path: str, remarks: Remarks) -> str:
    head = f"Imported from {path} by sbtrace profile import."
    lines = [head, *remarks.notes, *(f"lost: {loss}" for loss in remarks.losses)]
    return "".join(f"# {printable(line)}\n" for line in lines) + "\n"
