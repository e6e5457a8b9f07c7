"""What a format can say of system calls: the shape that stands between a profile and a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.profile.records import Action, Condition, Limits


class Clause(NamedTuple):
    """An action for the calls whose arguments satisfy all of ``conditions``."""

    action: Action
    conditions: tuple[Condition, ...]
    """A mask may go with any comparison here; empty: it always holds."""

    def holds(self, args: tuple[int, ...]) -> bool:
        """Whether it is true of six argument registers."""
        return all(condition.holds(args) for condition in self.conditions)


class Call(NamedTuple):
    """What becomes of one call."""

    name: str
    clauses: tuple[Clause, ...]
    """The first that holds decides."""
    otherwise: Action
    """The action where no clause holds. For a call that is listed with arguments only, this is the
    policy's default."""
    place: str = ""
    """Where in the file it was said, as messages name it."""

    def decide(self, args: tuple[int, ...]) -> Action:
        """The action for six argument registers."""
        return next((c.action for c in self.clauses if c.holds(args)), self.otherwise)


class Policy(NamedTuple):
    """The filter of a profile, resolved: no groups, one entry a call."""

    name: str
    description: str
    default: Action
    """For every call that ``calls`` does not name."""
    abis: tuple[str, ...]
    """Those that the calls are meant for, the native one first; by the others a call kills."""
    calls: tuple[Call, ...]
    """By name; each name once."""
    limits: Limits | None = None
    """None: not said."""
    capabilities: int | str | None = None
    """As a profile has it; None: not said."""
    exec_once: bool = False
    """As a profile has it; the calls hold for what comes after the one execve."""

    def decide(self, name: str, args: tuple[int, ...] = (0,) * 6) -> Action:
        """The action for a call by its name and six argument registers."""
        for call in self.calls:
            if call.name == name:
                return call.decide(args)
        return self.default


class Remarks:
    """What must be said beside the result: never silence."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """What is good to know, with no consequence for what a call is answered."""
        self.losses: list[str] = []
        """What the result does otherwise than its source; only with ``--lossy``."""

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def loss(self, text: str) -> None:
        """Add a loss, once."""
        if text not in self.losses:
            self.losses.append(text)


def named(names: Iterable[str], most: int = 6) -> str:
    """``read, write and 3 more``: for a message."""
    found = sorted(names)
    more = len(found) - most
    return ", ".join(found) if more <= 1 else f"{', '.join(found[:most])} and {more} more"


def without_arguments(call: Call, policy: Policy, remarks: Remarks) -> Call:
    """The call as a format can say it that knows no arguments: refused where they decide."""
    if not call.clauses:
        return call
    actions = (*(clause.action for clause in call.clauses), call.otherwise)
    refusing = [action for action in (policy.default, *actions) if not action.permits]
    action = refusing[0] if refusing else call.otherwise
    remarks.loss(f'arguments of "{call.name}" cannot be said: {action} whatever they are')
    return Call(call.name, (), action, call.place)
