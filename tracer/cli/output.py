"""Where the verbs over recorded runs write, and with whose rights they read."""

from __future__ import annotations

import io
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import typer

from tracer.errors import EXIT_SIGNAL_BASE, QueryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from tracer.model import RunRecord
    from tracer.query.ask import Question
    from tracer.report.form import Report
    from tracer.report.rows import RowFormat
    from tracer.store.destination import Destination
    from tracer.store.intake import Waiting


def database(db: str | None) -> Path:
    """Return the database that is meant, and give up root for good if it came through sudo."""
    from tracer import identity
    from tracer.store import location

    path = location.resolve(db)  # first: it depends on who asked
    identity.become_invoking_user()
    return path


def recorded(db: str | None, ref: str) -> RunRecord:
    """Load a recorded run with the rights of who asked, and say which others wait."""
    from tracer.store.reader import Reader

    with Reader(database(db)) as reader:
        say_waiting(reader.waiting)
        return reader.load(ref)


def answer(path: Path, question: Question, style: str, output: Path | None) -> None:
    """Ask the database and write what it answers."""
    from tracer.query import ask, bounded

    with interruptible():
        place = destination(output, path)
        if style == "parquet":
            if place is None:
                raise UsageError("query: --format parquet needs a file: -o FILE")
            ask.to_parquet(path, question, place)
            return
        with ask.asking(path, question) as found:
            # Limited no earlier: a child would inherit it. Rows take memory here, too.
            bounded.restrict_memory(ask.limits(question).memory_bytes)
            say_waiting(found.waiting)
            shown = ask.as_table(question, found) if style == "table" else found
            rows(shown.columns, shown.rows, style, place, shown.cut)


def destination(output: Path | None, database: Path | None) -> Destination | None:
    """Return where ``-o`` leads, found good; None for stdout, ``-`` too. Raises SbtraceError."""
    if output is None or str(output) == "-":
        return None
    from tracer.store.destination import Destination

    return Destination.open(output, database)


def saved_queries(style: str, output: Path | None, db: str | None) -> None:
    """Write the list of the saved queries."""
    from tracer.query import saved
    from tracer.store import location

    found = [
        (query.name, query.purpose, [parameter.name for parameter in query.parameters])
        if style == "json"
        else (query.name, query.purpose, " ".join(_shown(query.parameters)))
        for query in saved.all_queries()
    ]
    place = destination(output, location.resolve(db)) if output is not None else None
    rows(("name", "purpose", "parameters"), found, style, place)


def _shown(parameters: Sequence[object]) -> Iterator[str]:
    from tracer.query.saved import Parameter

    for item in parameters:
        assert isinstance(item, Parameter)  # noqa: S101
        yield item.name if item.default is None else f"{item.name}={item.default}"


def rows(
    columns: Sequence[str],
    found: Iterator[Sequence[object]] | Sequence[Sequence[object]],
    style: str,
    place: Destination | None = None,
    cut: frozenset[str] = frozenset(),
) -> None:
    """Write rows to ``place`` or stdout. A reader that goes away ends it in silence."""
    from tracer.report.rows import write

    if place is None:
        with _stdout() as out:
            write(columns, found, cast("RowFormat", style), out, width(), cut)
        return
    with place.writing() as binary:
        out = io.TextIOWrapper(binary, encoding="utf-8", write_through=True)
        write(columns, found, cast("RowFormat", style), out, width(), cut)
        out.detach()


def text(shown: str) -> None:
    """Write text to stdout; what comes from elsewhere in it is made safe to show."""
    from tracer.text import printable_lines

    with _stdout() as out:
        out.write(printable_lines(shown))


def report(
    found: Report,
    *,
    json: bool,
    whole: bool = False,
    wide: bool = False,
    place: Destination | None = None,
) -> None:
    """Write a report to ``place`` or stdout, as JSON or for eyes.

    ``whole``: also what is left out for most. ``wide``: nothing is cut to the terminal.
    """
    from tracer.report import form
    from tracer.report.style import wants_colour

    colour = place is None and wants_colour(sys.stdout)
    plain = place is None and not (sys.stdout.encoding or "").lower().startswith("utf")
    page = form.Page(None if wide else width(), colour, whole, plain)
    deliver(form.given(found, page, as_data=json), place)


def deliver(shown: str, place: Destination | None) -> None:
    """Write text as it is to ``place``, or to stdout."""
    if place is None:
        with _stdout() as out:
            out.write(shown)
        return
    with place.writing() as file:
        file.write(shown.encode("utf-8", "surrogateescape"))


def progress(step: str) -> None:
    """Say on stderr what long work does now, if somebody looks."""
    if sys.stderr.isatty():
        typer.echo(f"sbtrace: {step}", err=True)


def say_waiting(waiting: Sequence[Waiting]) -> None:
    """Say on stderr which runs are not in the database yet, and why."""
    for reason in dict.fromkeys(item.reason for item in waiting):
        alike = [item for item in waiting if item.reason == reason]
        runs = "1 run waits" if len(alike) == 1 else f"{len(alike)} runs wait"
        typer.echo(f"sbtrace: {runs} in {alike[0].folder.parent}: {reason}", err=True)


def width() -> int:
    """Columns of the terminal, or of COLUMNS; 80 in a pipe."""
    return shutil.get_terminal_size((80, 24)).columns


@contextmanager
def _stdout() -> Iterator[TextIO]:
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError as error:
        # Python flushes stdout once more when it exits: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from error


@contextmanager
def interruptible() -> Iterator[None]:
    """End with the status of SIGINT when Ctrl-C stops what is within the block."""
    try:
        yield
    except MemoryError as error:
        raise QueryError("query: a row takes more memory than allowed: raise --memory") from error
    except KeyboardInterrupt as error:
        raise typer.Exit(EXIT_SIGNAL_BASE + 2) from error
