"""What a command was last accepted to ask of the kernel, as a file to be reviewed.

The file is TOML, one entry a line and sorted, so that a review shows each call and each value of an
argument that was added. Beside it lies, after a check that failed, what had grown (``FILE.grown``):
so that a second try, which by chance takes another way, does not pass.
"""

from __future__ import annotations

import itertools
import os
import tomllib
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import SbtraceError
from tracer.identity import as_invoking_user
from tracer.profile.deciding import ARGUMENTS, bits
from tracer.store.destination import Destination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tracer.profile.deciding import Way

    Words = Callable[[Way], str]
    """What the values of a way are called."""

VERSION = 2
"""The version of the file. Version 1, which no file names, has no values of arguments."""
_MOST_BYTES = 1 << 20
_SUFFIX = ".grown"
_HEAD = """\
# What this command may ask of the kernel, by `sbtrace check`; a line more is a decision.
# `sbtrace check --baseline FILE --update -- COMMAND` adds what a run asked for beyond it.
"""
_NOT_KEPT = "what was found is not kept, so another try may pass"
_GROWN_HEAD = """\
# What `sbtrace check` found beyond the baseline beside this file. Accept it with --update, or
# delete this file once the program does it no more; until then no check passes.
"""


class Surface(NamedTuple):
    """What a command asks of the kernel."""

    calls: frozenset[tuple[str, str]] = frozenset()
    """ABI and name of each syscall that was entered."""
    refused: frozenset[tuple[str, str]] = frozenset()
    """ABI, and name with the filter's answer: ``socket errno:EACCES``."""
    values: frozenset[Way] = frozenset()
    """With which arguments the calls were made whose danger is in them."""
    unknown: frozenset[tuple[str, str]] = frozenset()
    """ABI and name of those that were made in further ways, which are not known."""

    def __or__(self, other: Surface) -> Surface:
        """Both together."""
        return Surface(
            self.calls | other.calls,
            self.refused | other.refused,
            self.values | other.values,
            self.unknown | other.unknown,
        )

    def __sub__(self, other: Surface) -> Surface:
        """What is not in the other."""
        return Surface(
            self.calls - other.calls,
            self.refused - other.refused,
            self.values - other.values,
            self.unknown - other.unknown,
        )

    def __bool__(self) -> bool:
        """False if there is nothing in it."""
        return bool(self.calls or self.refused or self.values or self.unknown)


class Baseline(NamedTuple):
    """The file, and what lies beside it."""

    path: Path
    accepted: Surface | None
    """None if there is no file yet."""
    grown: Surface
    """What earlier checks found beyond it, and nobody has accepted."""
    has_values: bool = True
    """False for a file of version 1: which values were accepted is not known."""


class _File(NamedTuple):
    """One file as it was read."""

    surface: Surface
    version: int


def read(path: Path, *, may_be_missing: bool) -> Baseline:
    """The baseline, read with the invoking user's rights.

    Raises SbtraceError where a file is wrong, or there is none and there has to be.
    """
    file, beside = _read(path), _read(_beside(path))
    if file is None and not may_be_missing:
        raise SbtraceError(f"{path}: there is no such baseline yet: --update records the first one")
    return Baseline(
        path,
        None if file is None else file.surface,
        Surface() if beside is None else beside.surface,
        file is None or file.version >= VERSION,
    )


def _read(path: Path) -> _File | None:
    text = _text(path)
    return None if text is None else _parsed(path, text)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _SUFFIX)


def _text(path: Path) -> str | None:
    try:
        with as_invoking_user(), os.fdopen(_opened(path), "rb") as file:
            content = file.read(_MOST_BYTES + 1)
            if len(content) > _MOST_BYTES:
                raise SbtraceError(f"{path}: larger than 1 MiB: that is no baseline")
            return content.decode()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SbtraceError(f"{path}: the baseline cannot be read: {reason}") from error


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _parsed(path: Path, text: str) -> _File:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SbtraceError(f"{path}: no baseline: {error}") from None
    version = _version(path, table.get("version", 1))
    if strange := set(table) - {"command", "profile", "version", *Surface._fields}:
        raise SbtraceError(f'{path}: no baseline: unknown key "{min(strange)}"')
    calls, refused, unknown = (
        frozenset(_entries(path, key, table.get(key, {})))
        for key in ("calls", "refused", "unknown")
    )
    values = frozenset(_ways(path, table.get("values", {})))
    return _File(Surface(calls, refused, values, unknown), version)


def _version(path: Path, found: object) -> int:
    if type(found) is not int or found < 1:
        raise SbtraceError(f"{path}: no baseline: version must be a number, such as {VERSION}")
    if found > VERSION:
        raise SbtraceError(
            f"{path}: of version {found}, and this sbtrace knows {VERSION}: use a newer sbtrace"
        )
    return found


def _entries(path: Path, key: str, table: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of a file
    for abi, names in _table(path, key, table).items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SbtraceError(f"{path}: no baseline: {key}.{abi} must be a list of texts")
        yield from ((abi, name) for name in names)


def _ways(path: Path, table: Any) -> Iterator[Way]:  # noqa: ANN401 - of a file
    for abi, calls in _table(path, "values", table).items():
        for name, ways in _table(path, f"values.{abi}", calls).items():
            place = f"{path}: no baseline: values.{abi}.{name}"
            if name not in ARGUMENTS:
                raise SbtraceError(f"{place}: of this call no arguments are recorded")
            masks = list(bits(name, exact=False).values())
            if not isinstance(ways, list) or not all(_fits(way, masks) for way in ways):
                shown = ", ".join(map(hex, masks))
                raise SbtraceError(f"{place} must be a list of [numbers], of at most [{shown}]")
            yield from ((abi, name, tuple(way)) for way in ways)


def _fits(way: object, masks: list[int]) -> bool:
    return (
        isinstance(way, list)
        and len(way) == len(masks)
        and all(type(n) is int and n & mask == n for n, mask in zip(way, masks, strict=True))
    )


def _table(path: Path, key: str, table: Any) -> dict[str, Any]:  # noqa: ANN401 - of a file
    if not isinstance(table, dict):
        raise SbtraceError(f"{path}: no baseline: {key} must be a table: [{key}]")
    return table


def accept(
    place: Destination, command: Iterable[str], profile: str, found: Surface, words: Words
) -> None:
    """Write the baseline. Raises SbtraceError."""
    lines = [f"command = [{', '.join(map(_quoted, command))}]", f"profile = {_quoted(profile)}"]
    _write(place, [_HEAD, *lines], found, words)


def remember(path: Path, grown: Surface, database: Path | None, words: Words) -> None:
    """Keep beside the baseline what was found beyond it. Raises SbtraceError."""
    place = Destination.open(_beside(path), database, _NOT_KEPT)
    _write(place, [_GROWN_HEAD.rstrip("\n")], grown, words)


def forget(path: Path) -> None:
    """Take away what lies beside a baseline that was just accepted."""
    with as_invoking_user(), suppress(FileNotFoundError):
        _beside(path).unlink()


def _write(place: Destination, head: list[str], found: Surface, words: Words) -> None:
    lines = [
        *head,
        f"version = {VERSION}",
        *_listed("calls", found.calls),
        *_listed("refused", found.refused),
        *_valued(found.values, words),
        *_listed("unknown", found.unknown),
    ]
    with place.writing() as file:
        file.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))


def _listed(key: str, entries: frozenset[tuple[str, str]]) -> list[str]:
    lines = []
    for abi in sorted({abi for abi, _ in entries}):
        names = sorted(name for each, name in entries if each == abi)
        lines += [f"{abi} = [", *(f"    {_quoted(name)}," for name in names), "]"]
    return ["", f"[{key}]", *lines] if lines else []


def _valued(ways: frozenset[Way], words: Words) -> Iterator[str]:
    """By numbers, which stay what they are; what they are called stands behind them."""
    for abi, of_abi in itertools.groupby(sorted(ways), key=itemgetter(0)):
        yield from ("", f"[values.{abi}]")
        for name, alike in itertools.groupby(of_abi, key=itemgetter(1)):
            yield f"{name} = ["
            yield from (f"    [{_numbers(way)}], # {words(way)}" for way in alike)
            yield "]"


def _numbers(way: Way) -> str:
    return ", ".join(map(hex, way[2]))


def _quoted(text: str) -> str:
    from tracer.profile import toml

    return (
        toml.dumps({"x": text.encode("utf-8", "backslashreplace").decode()})
        .split(" = ", 1)[1]
        .rstrip("\n")
    )
