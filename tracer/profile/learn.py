"""The tightest profile that covers recorded runs: which entries it has, and why each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import toml
from tracer.profile.unseen import CONTAINER, FALLBACKS, RUNTIME
from tracer.profile.where import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_NAMESPACES = 0x7E020000
"""CLONE_NEW* of include/uapi/linux/sched.h, but CLONE_NEWTIME, which is no flag of clone."""
_ENOSYS = "ENOSYS"
_MOST_PROGRAMS = 3
_COMMENT_AT = 28


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


class Entry(NamedTuple):
    """One line of the learned profile."""

    name: str
    action: str
    """``allow``, or ``errno:ENOSYS``."""
    comment: str
    args: tuple[tuple[str, ...], ...] = ()
    """Alternatives of conditions; empty: whatever the arguments."""


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

    def of(self, name: str) -> Entry | None:
        """The entry of a call; None if it has none."""
        return next((each for each in (*self.entries, *self.unseen) if each.name == name), None)


def learn(uses: Sequence[Use], run_ids: Sequence[str], *, only_seen: bool = False) -> Learned:
    """The entries for what the runs did. ``only_seen``: without what no run shows.

    A call that the kernel took is allowed. One that filters answered with an error each time gets
    that error again, as the program went on with it; one that was refused otherwise is allowed.
    """
    native = syscalls.native_abi()
    names: dict[str, list[Use]] = {}
    for use in uses:
        names.setdefault(use.name, []).append(use)
    entries = [_entry(alike, run_ids) for _, alike in sorted(names.items())]
    abis = dict.fromkeys(use.abi for use in uses if use.abi != native)
    unseen = () if only_seen else tuple(_unseen(entries))
    return Learned(tuple(entries), unseen, tuple(abis), tuple(_obstacles(entries, names)))


def _entry(uses: Sequence[Use], run_ids: Sequence[str]) -> Entry:
    name, comment = uses[0].name, _why(uses, run_ids)
    if name == "clone3":
        return Entry(name, f"errno:{_ENOSYS}", f"{comment}; flags in memory: libc takes clone")
    errno = _only_errno(uses)
    if errno is not None:
        return Entry(name, f"errno:{errno}", f"{comment}; always refused so")
    deadly = any(use.deadly for use in uses)
    return Entry(name, "allow", comment + ("; refused, with a signal" if deadly else ""))


def _only_errno(uses: Sequence[Use]) -> str | None:
    """The error that a filter answered each of them with; None if one had another answer."""
    if any(use.calls or use.deadly or not use.errnos for use in uses):
        return None
    return uses[0].errnos[0]


def _why(uses: Sequence[Use], run_ids: Sequence[str]) -> str:
    runs = frozenset[str]().union(*(use.runs for use in uses))
    programs = list(dict.fromkeys(program for use in uses for program in use.programs))
    more = len(programs) - _MOST_PROGRAMS
    by = ", ".join(programs[:_MOST_PROGRAMS]) + (f" and {more} more" if more > 0 else "")
    once = "ONCE: " if is_rare(uses, len(run_ids)) else ""
    return f"{once}{len(runs)} of {len(run_ids)}{': ' if by else ''}{by}"


def is_rare(uses: Sequence[Use], count: int) -> bool:
    """Whether a call was needed in one of several runs only."""
    return count > 1 and len(frozenset[str]().union(*(use.runs for use in uses))) == 1


def _unseen(entries: Sequence[Entry]) -> Iterator[Entry]:
    there = {entry.name for entry in entries}
    known = syscalls.names(syscalls.native_abi())
    for each in (*RUNTIME, *CONTAINER):
        if each.name not in there and each.name in known:
            yield Entry(each.name, "allow", each.reason)
    for entry in entries:
        wanted = FALLBACKS.get(entry.name)
        if wanted and entry.action == f"errno:{_ENOSYS}" and wanted.name not in there:
            args = ((f"arg0 & {_NAMESPACES:#x} == 0",),) if wanted.name == "clone" else ()
            yield Entry(wanted.name, "allow", wanted.reason, args)


def _obstacles(entries: Sequence[Entry], names: Mapping[str, Sequence[Use]]) -> Iterator[str]:
    """What keeps the profile from being tighter."""
    there = {entry.name for entry in entries if entry.action == "allow"}
    whole = [each for each in DANGEROUS if each in there]
    if whole:
        yield f"allowed whole, as no argument of theirs was recorded: {', '.join(whole)}"
    paths = [each for each in _BY_PATH if each in there]
    if paths:
        yield f"take paths, which no filter can look at (Landlock can): {', '.join(paths)}"
    if "clone3" in names:
        yield "clone3 has its flags in memory, so it is answered with ENOSYS: libc takes clone"
    programs = dict.fromkeys(p for uses in names.values() for use in uses for p in use.programs)
    if len(programs) > 1:
        few = [
            n for n, uses in names.items() if len({p for use in uses for p in use.programs}) == 1
        ]
        yield (
            f"one filter holds for all {len(programs)} programs that ran: {len(few)} calls were "
            "needed by one of them alone"
        )
    deadly = [name for name, uses in names.items() if any(use.deadly for use in uses)]
    if deadly:
        yield (
            "refused with a signal in the runs, which says nothing of whether they are needed: "
            f"{', '.join(deadly)}"
        )


DANGEROUS = (
    *("socket", "socketpair", "prctl", "ioctl", "clone", "unshare", "mmap", "mprotect", "fcntl"),
    *("kill", "personality", "setsockopt", "bpf", "keyctl"),
)
"""Calls whose danger is in an argument."""
_BY_PATH = ("open", "openat", "openat2", "unlink", "unlinkat", "rename", "renameat", "execve")


def toml_text(found: Learned, sources: Sources, name: str, default_action: str) -> str:
    """The profile as a file: an entry a line, with why it is there beside it."""
    count = len(sources.run_ids)
    runs = f"{count} {'run' if count == 1 else 'runs'} of {visible(sources.command)}"
    lines = [
        f"# Learned by {sources.by} from {runs},",
        f"# {sources.when}. Beside each call: in how many of the runs it was",
        "# needed, and by which program. What never ran is not in it.",
        f"name = {toml.text(name)}",
        f"default_action = {toml.text(default_action)}",
    ]
    if found.abis:
        lines.append(f"abis = {toml.text_list(('native', *found.abis))}")
    lines += ["", *_lists(found), *_rules(found), *_privileges(sources)]
    return "\n".join(lines) + "\n"


def _lists(found: Learned) -> Iterator[str]:
    plain = [entry for entry in found.entries if entry.action == "allow" and not entry.args]
    unseen = [entry for entry in found.unseen if not entry.args]
    yield "allow = ["
    yield from _lines(plain)
    if unseen:
        yield "    # Not seen in the runs, and needed all the same:"
        yield from _lines(unseen)
    yield "]"
    refused: dict[str, list[Entry]] = {}
    for entry in found.entries:
        if entry.action.startswith("errno:"):
            refused.setdefault(entry.action.removeprefix("errno:"), []).append(entry)
    if refused:
        yield "\n[errno]"
    for errno, entries in sorted(refused.items()):
        yield f"{errno} = ["
        yield from _lines(entries)
        yield "]"


def _lines(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        written = f"    {toml.text(entry.name)},"
        yield f"{written:<{_COMMENT_AT}} # {visible(entry.comment)}"


def _rules(found: Learned) -> Iterator[str]:
    for entry in (*found.entries, *found.unseen):
        if entry.args:
            yield f"\n# {visible(entry.comment)}"
            yield "[[rule]]"
            yield f"syscalls = [{toml.text(entry.name)}]"
            yield f"action = {toml.text(entry.action)}"
            yield f"args = [{', '.join(toml.text_list(texts) for texts in entry.args)}]"


def _privileges(sources: Sources) -> Iterator[str]:
    held = sources.capabilities
    if held == ():
        return
    yield "\n[privileges]"
    yield "# What the runs had; which of it they needed is not recorded: take away, and verify."
    yield f"capabilities = {toml.text('keep') if held is None else toml.text_list(held)}"
