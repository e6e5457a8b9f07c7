"""What a command was last accepted to ask of the kernel, as a file to be reviewed.

The file is TOML, one entry a line and sorted, so that a review shows each call that was added.
Beside it lies, after a check that failed, what had grown (``FILE.grown``): so that a second try,
which by chance takes another way, does not pass.
"""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import SbtraceError
from tracer.identity import as_invoking_user
from tracer.store.destination import Destination

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_BYTES = 1 << 20
_SUFFIX = ".grown"
_KEYS = ("calls", "refused")
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

    def __or__(self, other: Surface) -> Surface:
        """Both together."""
        return Surface(self.calls | other.calls, self.refused | other.refused)

    def __sub__(self, other: Surface) -> Surface:
        """What is not in the other."""
        return Surface(self.calls - other.calls, self.refused - other.refused)

    def __bool__(self) -> bool:
        """False if there is nothing in it."""
        return bool(self.calls or self.refused)


class Baseline(NamedTuple):
    """The file, and what lies beside it."""

    path: Path
    accepted: Surface | None
    """None if there is no file yet."""
    grown: Surface
    """What earlier checks found beyond it, and nobody has accepted."""


def read(path: Path, *, may_be_missing: bool) -> Baseline:
    """The baseline, read with the invoking user's rights.

    Raises SbtraceError where a file is wrong, or there is none and there has to be.
    """
    text = _text(path)
    if text is None and not may_be_missing:
        raise SbtraceError(f"{path}: there is no such baseline yet: --update records the first one")
    beside = _text(_beside(path))
    return Baseline(
        path,
        None if text is None else _parsed(path, text),
        Surface() if beside is None else _parsed(_beside(path), beside),
    )


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


def _parsed(path: Path, text: str) -> Surface:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SbtraceError(f"{path}: no baseline: {error}") from None
    if strange := set(table) - {"command", "profile", *_KEYS}:
        raise SbtraceError(f'{path}: no baseline: unknown key "{min(strange)}"')
    return Surface(*(frozenset(_entries(path, key, table.get(key, {}))) for key in _KEYS))


def _entries(path: Path, key: str, table: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401 - of a file
    if not isinstance(table, dict):
        raise SbtraceError(f"{path}: no baseline: {key} must be a table: [{key}]")
    for abi, names in table.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SbtraceError(f"{path}: no baseline: {key}.{abi} must be a list of texts")
        yield from ((abi, name) for name in names)


def accept(place: Destination, command: Iterable[str], profile: str, found: Surface) -> None:
    """Write the baseline. Raises SbtraceError."""
    lines = [f"command = [{', '.join(map(_quoted, command))}]", f"profile = {_quoted(profile)}"]
    _write(place, [_HEAD, *lines], found)


def remember(path: Path, grown: Surface, database: Path | None) -> None:
    """Keep beside the baseline what was found beyond it. Raises SbtraceError."""
    place = Destination.open(_beside(path), database, _NOT_KEPT)
    _write(place, [_GROWN_HEAD.rstrip("\n")], grown)


def forget(path: Path) -> None:
    """Take away what lies beside a baseline that was just accepted."""
    with as_invoking_user(), suppress(FileNotFoundError):
        _beside(path).unlink()


def _write(place: Destination, head: list[str], found: Surface) -> None:
    tables = [_table(key, entries) for key, entries in zip(_KEYS, found, strict=True)]
    text = "\n".join([*head, *(line for table in tables for line in table)]) + "\n"
    with place.writing() as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _table(key: str, entries: frozenset[tuple[str, str]]) -> list[str]:
    lines = []
    for abi in sorted({abi for abi, _ in entries}):
        names = sorted(name for each, name in entries if each == abi)
        lines += [f"{abi} = [", *(f"    {_quoted(name)}," for name in names), "]"]
    return ["", f"[{key}]", *lines] if lines else []


def _quoted(text: str) -> str:
    from tracer.profile import toml

    return (
        toml.dumps({"x": text.encode("utf-8", "backslashreplace").decode()})
        .split(" = ", 1)[1]
        .rstrip("\n")
    )
