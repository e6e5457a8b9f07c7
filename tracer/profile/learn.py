"""The tightest profile that covers recorded runs: which entries it has, and why each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import shapes
from tracer.profile.deciding import ARGUMENTS, bits
from tracer.profile.records import MULTIPLEXED
from tracer.profile.unseen import CONTAINER, FALLBACKS, NO_NAMESPACES, RUNTIME, START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ENOSYS = "ENOSYS"
_MOST_PROGRAMS = 3
_MOST_RULES = 48
"""A call that was made in more ways than these is allowed whole."""
_BY_PATH = ("open", "openat", "openat2", "unlink", "unlinkat", "rename", "renameat", "execve")

Values = tuple[tuple[int, int, int], ...]
"""(argument, mask, value) each: all of them hold for one way to make a call."""


class Way(NamedTuple):
    """Arguments that a call was made with."""

    values: tuple[tuple[int, int], ...]
    """(argument, register) of those that are recorded."""
    runs: frozenset[str]
    errno: str | None = None
    """What a filter answered; None if the kernel took it, or it is to be allowed."""


class Use(NamedTuple):
    """What all the runs together did with one call."""

    abi: str
    nr: int
    name: str
    runs: frozenset[str]
    """The run_ids of those that made it, refused or not."""
    calls: int
    """How many the kernel took."""
    programs: tuple[str, ...]
    """Names of the programs that made it, most calls first."""
    errnos: tuple[str, ...] = ()
    """What a filter answered, most often first; ``ENOSYS``. Empty: nothing with an error."""
    deadly: bool = False
    """Whether a filter refused it in another way: by a signal, or it is not known."""
    ways: tuple[Way, ...] = ()
    unknown: str | None = "its arguments were not recorded"
    """Why ``ways`` are not all; None if they are."""


class Entry(NamedTuple):
    """One entry of the learned profile."""

    name: str
    action: str
    """``allow``, or ``errno:ENOSYS``."""
    comment: str
    ways: tuple[Values, ...] = ()
    """Alternatives: one of them must hold. Empty: the arguments do not matter."""
    runs: tuple[int, ...] = ()
    """In how many runs each of ``ways`` was needed."""


class Learned(NamedTuple):
    """A profile in parts."""

    entries: tuple[Entry, ...]
    """What the runs needed, by name."""
    unseen: tuple[Entry, ...]
    """What is added with a reason, though no run shows it."""
    abis: tuple[str, ...]
    """Beside the native one."""
    obstacles: tuple[str, ...]
    """What stood in the way of a tighter one."""


class Tightness(NamedTuple):
    """How tight it is to be."""

    only_seen: bool = False
    """Without what no run shows."""
    exact: bool = False
    """By every recorded bit of the arguments, not by the dangerous ones alone."""
    while_running: bool = False
    """For a program that loads it itself when it has started: without what starts a command."""


USUAL = Tightness()


def learn(uses: Sequence[Use], run_ids: Sequence[str], tightness: Tightness = USUAL) -> Learned:
    """The entries for what the runs did.

    A call that the kernel took is allowed. One that filters answered with an error each time gets
    that error again, as the program went on with it; one that was refused otherwise is allowed.
    """
    native = syscalls.native_abi()
    abis = tuple(dict.fromkeys(use.abi for use in uses if use.abi != native))
    names: dict[str, list[Use]] = {}
    for use in uses:
        names.setdefault(use.name, []).append(use)
    obstacles: list[str] = []
    entries: list[Entry] = []
    for name, alike in sorted(names.items()):
        whole = _whole(alike, run_ids)
        why = _not_by_values(name, alike, abis) if name in ARGUMENTS else ""
        narrow = _by_values(name, alike, run_ids, exact=tightness.exact) if why is None else [whole]
        if len(narrow) > 2 or sum(len(entry.ways) for entry in narrow) > _MOST_RULES:
            narrow, why = [whole], f"it was made in more than {_MOST_RULES} ways"
        if why and whole.action == "allow":
            obstacles.append(f"{name} is allowed whole: {why}")
        entries += narrow
    unseen = () if tightness.only_seen else tuple(_unseen(entries, names, tightness))
    return Learned(tuple(entries), unseen, abis, (*obstacles, *_obstacles(entries, names)))


def _not_by_values(name: str, uses: Sequence[Use], abis: Sequence[str]) -> str | None:
    """Why a call cannot be told apart by its arguments; None if it can."""
    if "i386" in abis and name in MULTIPLEXED:
        return "i386 was used, whose socketcall has the arguments in memory"
    return next((use.unknown for use in uses if use.unknown), None)


def _whole(uses: Sequence[Use], run_ids: Sequence[str]) -> Entry:
    """The entry of a call whatever its arguments."""
    name, comment = uses[0].name, _why(uses, run_ids)
    if name == "clone3":
        return Entry(name, f"errno:{_ENOSYS}", f"{comment}; flags in memory: libc takes clone")
    errnos = _only_errnos(uses)
    if errnos:
        return Entry(name, f"errno:{errnos[0]}", f"{comment}; {_refused_so(errnos)}")
    deadly = any(use.deadly for use in uses)
    return Entry(name, "allow", comment + ("; refused, with a signal" if deadly else ""))


def _only_errnos(uses: Sequence[Use]) -> tuple[str, ...]:
    """The errors that a filter answered them with, if each was: most often first."""
    if any(use.calls or use.deadly or not use.errnos for use in uses):
        return ()
    return tuple(dict.fromkeys(errno for use in uses for errno in use.errnos))


def _refused_so(errnos: Sequence[str]) -> str:
    """``errnos``: the one that the profile gives, and those that it does not."""
    others = ", ".join(errnos[1:])
    return f"refused most often so, and with {others}" if others else "always refused so"


def _by_values(
    name: str, uses: Sequence[Use], run_ids: Sequence[str], *, exact: bool
) -> list[Entry]:
    """An entry for each answer that the ways of a call had: allowed, or one error."""
    answers: dict[Values, dict[str, frozenset[str]]] = {}
    for way in (way for use in uses for way in use.ways):
        action = "allow" if way.errno is None else f"errno:{way.errno}"
        found = answers.setdefault(_looked_at(way, bits(name, exact=exact)), {})
        found[action] = found.get(action, frozenset()) | way.runs
    return [
        Entry(
            name,
            action,
            _why(uses, run_ids) + _answered_too(action, ways),
            tuple(sorted(ways)),
            tuple(len(ways[values][action]) for values in sorted(ways)),
        )
        for action, ways in _by_answer(answers).items()
    ]


def _looked_at(way: Way, masks: Mapping[int, int]) -> Values:
    return tuple(
        (index, masks[index], register & masks[index])
        for index, register in way.values
        if index in masks
    )


_Answered = dict[str, frozenset[str]]
"""What one way to make a call was answered: action -> runs, most often first."""


def _by_answer(answers: Mapping[Values, _Answered]) -> dict[str, dict[Values, _Answered]]:
    """The ways by the one answer that the profile gives: allowed if it ever was."""
    found: dict[str, dict[Values, _Answered]] = {"allow": {}}
    for values, answered in answers.items():
        action = "allow" if "allow" in answered else next(iter(answered))
        found.setdefault(action, {})[values] = answered
    return {action: ways for action, ways in found.items() if ways}


def _answered_too(action: str, ways: Mapping[Values, _Answered]) -> str:
    """That the same was refused in another way, too, where the profile refuses it."""
    if action == "allow":
        return ""
    errnos = dict.fromkeys(
        each for answered in ways.values() for each in answered if each != action
    )
    others = ", ".join(each.removeprefix("errno:") for each in errnos)
    return f"; refused most often so, and with {others}" if others else ""


def _why(uses: Sequence[Use], run_ids: Sequence[str]) -> str:
    runs = _runs(uses)
    programs = list(dict.fromkeys(program for use in uses for program in use.programs))
    more = len(programs) - _MOST_PROGRAMS
    by = ", ".join(programs[:_MOST_PROGRAMS]) + (f" and {more} more" if more > 0 else "")
    once = "ONCE: " if is_rare(uses, len(run_ids)) else ""
    return f"{once}{len(runs)} of {len(run_ids)}{': ' if by else ''}{by}"


def _runs(uses: Iterable[Use]) -> frozenset[str]:
    return frozenset[str]().union(*(use.runs for use in uses))


def is_rare(uses: Sequence[Use], count: int) -> bool:
    """Whether a call was needed in one of several runs only."""
    return count > 1 and len(_runs(uses)) == 1


def _unseen(
    entries: Sequence[Entry], names: Mapping[str, Sequence[Use]], tightness: Tightness
) -> Iterator[Entry]:
    there = {entry.name for entry in entries}
    known = syscalls.names(syscalls.native_abi())
    for each in RUNTIME if tightness.while_running else (*START, *RUNTIME, *CONTAINER):
        if each.name not in there and each.name in known:
            yield Entry(each.name, "allow", each.reason)
    for entry in entries:
        wanted = FALLBACKS.get(entry.name)
        if wanted and entry.action == f"errno:{_ENOSYS}":
            plain = Entry(wanted.name, "allow", wanted.reason, (NO_NAMESPACES,))
            if not any(_covers(other, plain) for other in entries):
                yield plain
    yield from _timed(entries, names, tightness)


def _timed(
    entries: Sequence[Entry], names: Mapping[str, Sequence[Use]], tightness: Tightness
) -> Iterator[Entry]:
    """What depends on timing; what the runs were refused stays refused."""
    refused = {entry.name for entry in entries if entry.action != "allow"}
    for each in shapes.timed(names):
        masks = bits(each.name, exact=tightness.exact) if each.args else {}
        ways = (_looked_at(Way(each.args, frozenset()), masks),) if each.args else ()
        wanted = Entry(each.name, "allow", each.reason, ways)
        known = syscalls.number(syscalls.native_abi(), each.name) is not None
        if known and each.name not in refused and not any(_covers(e, wanted) for e in entries):
            yield wanted


def _covers(entry: Entry, other: Entry) -> bool:
    """Whether an entry allows what another one is for."""
    same = (entry.name, entry.action) == (other.name, other.action)
    return same and (not entry.ways or set(other.ways) <= set(entry.ways))


def _obstacles(entries: Sequence[Entry], names: Mapping[str, Sequence[Use]]) -> Iterator[str]:
    """What else keeps the profile from being tighter."""
    there = {entry.name for entry in entries if entry.action == "allow"}
    paths = [each for each in _BY_PATH if each in there]
    if paths:
        yield f"they take paths, which no filter can look at (Landlock can): {', '.join(paths)}"
    if "clone3" in names:
        yield "clone3 has its flags in memory, so it is answered with ENOSYS: libc takes clone"
    by_name = {name: {p for use in uses for p in use.programs} for name, uses in names.items()}
    programs = frozenset[str]().union(*by_name.values())
    if len(programs) > 1:
        few = sum(len(makers) == 1 for makers in by_name.values())
        yield (
            f"one filter holds for all {len(programs)} programs that ran: {few} calls were "
            "needed by one of them alone"
        )
    foreign = sorted({use.abi for uses in names.values() for use in uses} - {syscalls.native_abi()})
    if foreign:
        yield f"an entry holds for each of its ABIs, and {', '.join(foreign)} was used, too"
    deadly = [name for name, uses in names.items() if any(use.deadly for use in uses)]
    if deadly:
        yield (
            "refused with a signal in the runs, which says nothing of whether they are needed: "
            f"{', '.join(deadly)}"
        )
