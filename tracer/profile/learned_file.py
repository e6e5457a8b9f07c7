"""A learned profile as a file: an entry a line, and beside each why it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.profile import toml
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracer.profile.learn import Entry, Learned, Values

    Words = Callable[[str, Values], Sequence[str]]
    """What the values of one way to make a call are called."""

_COMMENT_AT = 28
_REFUSED = "errno:"


class Sources(NamedTuple):
    """The runs that a profile is learned from."""

    run_ids: tuple[str, ...]
    """The oldest first."""
    command: str
    """What they ran, as one line."""
    when: str
    """From when to when, as text."""
    capabilities: tuple[str, ...] | None
    """Those that the commands began with; None: all that their user has."""
    by: str
    """The sbtrace that writes this, with its version."""
    after: tuple[str, ...] = ()
    """The calls by which the phase begins that it is for; none: for all of the runs."""


def text(
    found: Learned, sources: Sources, name: str, default_action: str, words: Words | None = None
) -> str:
    """The profile's file. ``words``: None leaves values without their names."""
    count = len(sources.run_ids)
    runs = f"{count} {'run' if count == 1 else 'runs'} of {printable(sources.command)}"
    head = [
        f"# Learned by {sources.by} from {runs},",
        f"# {printable(sources.when)}. Beside each call: in how many of the runs it was",
        "# needed, and by which program. What never ran is not in it.",
        *_phase(sources),
        f"name = {toml.text(name)}",
        f"default_action = {toml.text(default_action)}",
    ]
    if found.abis:
        head.append(f"abis = {toml.text_list(('native', *found.abis))}")
    entries = (*found.entries, *found.unseen)
    body = ["", *_allowed(found), *_refused(found), *rules(entries, words, count)]
    privileges = () if sources.after else _privileges(sources)  # no profile changes those later
    return "\n".join([*head, *body, *privileges]) + "\n"


def _phase(sources: Sources) -> Iterator[str]:
    if sources.after:
        yield f"# Only what was needed from the first {' or '.join(sources.after)} on: the program"
        yield "# itself goes over to it then, as it cannot be started under it."


def _allowed(found: Learned) -> Iterator[str]:
    unseen = [entry for entry in found.unseen if not entry.ways]
    yield "allow = ["
    yield from lines(e for e in found.entries if e.action == "allow" and not e.ways)
    if unseen:
        yield "    # Not seen in the runs, and needed all the same:"
        yield from lines(unseen)
    yield "]"


def _refused(found: Learned) -> Iterator[str]:
    errnos: dict[str, list[Entry]] = {}
    for entry in found.entries:
        if entry.action.startswith(_REFUSED) and not entry.ways:
            errnos.setdefault(entry.action.removeprefix(_REFUSED), []).append(entry)
    if errnos:
        yield "\n[errno]"
    for errno, entries in sorted(errnos.items()):
        yield f"{errno} = ["
        yield from lines(entries)
        yield "]"


def lines(entries: Iterable[Entry]) -> Iterator[str]:
    """The lines of entries in a list, each with its comment."""
    for entry in entries:
        written = f"    {toml.text(entry.name)},"
        yield f"{written:<{_COMMENT_AT}} # {printable(entry.comment)}"


def rules(entries: Iterable[Entry], words: Words | None, count: int) -> Iterator[str]:
    """The lines of a ``[[rule]]`` for each entry that has ways."""
    for entry in entries:
        if entry.ways:
            yield f"\n# {printable(entry.comment)}"
            yield "[[rule]]"
            yield f"syscalls = [{toml.text(entry.name)}]"
            yield f"action = {toml.text(entry.action)}"
            yield "args = ["
            yield from _ways(entry, words, count)
            yield "]"


def _ways(entry: Entry, words: Words | None, count: int) -> Iterator[str]:
    for number, values in enumerate(entry.ways):
        texts = [f"arg{index} & {mask:#x} == {value:#x}" for index, mask, value in values]
        note = _note(entry, values, number, words, count)
        yield f"    {toml.text_list(texts)}," + (f" # {printable(note)}" if note else "")


def _note(entry: Entry, values: Values, number: int, words: Words | None, count: int) -> str:
    """The values by name, and how few runs had them, where that is not all."""
    named = ", ".join(words(entry.name, values)) if words else ""
    runs = entry.runs[number] if number < len(entry.runs) else count
    few = f"{'ONCE: ' if runs == 1 else ''}{runs} of {count}" if runs < count else ""
    return f"{named}: {few}" if named and few else named or few


def _privileges(sources: Sources) -> Iterator[str]:
    held = sources.capabilities
    if held == ():
        return
    yield "\n[privileges]"
    yield "# What the runs had; which of it they needed is not recorded: take away, and verify."
    yield f"capabilities = {toml.text('keep') if held is None else toml.text_list(held)}"
