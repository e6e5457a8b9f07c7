"""Entries of a file, in any order, as one decision for each call: as libseccomp takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.profile import cubes
from tracer.profile.formats.policy import Call, Clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer.profile.formats.interface import Context
    from tracer.profile.formats.policy import Remarks
    from tracer.profile.records import Action, Condition

_MOST_ENTRIES = 512


class Entry(NamedTuple):
    """One call, one action, the conditions that all must hold; and where that stands."""

    place: str
    name: str
    action: Action
    conditions: tuple[Condition, ...]


def merged(
    entries: Iterable[Entry], default: Action, context: Context, remarks: Remarks
) -> tuple[Call, ...]:
    """The calls. Where a call has several entries, the first without conditions decides.

    Raises ProfileError where two of them have conditions that can hold at once, and different
    actions: which one counts would depend on how libseccomp sorts them.
    """
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    return tuple(
        _call(name, found, default, context, remarks) for name, found in sorted(by_name.items())
    )


def _call(
    name: str, found: list[Entry], default: Action, context: Context, remarks: Remarks
) -> Call:
    # A rule with the default action is none to libseccomp: runtimes pass over it.
    counting = [entry for entry in found if entry.action != default]
    whole = next((entry for entry in counting if not entry.conditions), None)
    if whole is None:
        return _by_arguments(name, counting, default, context)
    for entry in counting:
        if entry.action != whole.action:
            remarks.note(
                f'{entry.place} has no effect on "{name}": '
                f"{whole.place} names it without conditions"
            )
    return Call(name, (), whole.action, whole.place)


def _by_arguments(name: str, found: Sequence[Entry], default: Action, context: Context) -> Call:
    """A condition that always holds gives way to the others, as ``tracer.sandbox.filter`` knows."""
    if len(found) > _MOST_ENTRIES:
        context.fail(
            found[_MOST_ENTRIES].place,
            f'is one more than the {_MOST_ENTRIES} conditions that "{name}" may have: drop some',
        )
    always = [entry for entry in found if cubes.always(entry.conditions)]
    others = [entry for entry in found if entry not in always]
    _check_exclusive(others, context)
    _check_exclusive(always, context)
    clauses = tuple(Clause(entry.action, entry.conditions) for entry in others)
    place = found[0].place if found else ""
    return Call(name, clauses, always[0].action if always else default, place)


def _check_exclusive(entries: Sequence[Entry], context: Context) -> None:
    for at, entry in enumerate(entries):
        for earlier in entries[:at]:
            if entry.action != earlier.action and cubes.overlap(
                entry.conditions, earlier.conditions
            ):
                context.fail(
                    entry.place,
                    f'contradicts {earlier.place} for "{entry.name}": both can hold for one call; '
                    "give one of them a condition that excludes the other",
                )
