"""What a check makes of a run: growth, doubt, failure, and how each is said."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.unit.report.records import KILLED
from tracer.model import Loss
from tracer.report import growth, growth_formats
from tracer.store.baseline import Baseline, Surface

NAME = 'a b,c:d%"<\x1b.toml'
EMPTY = Baseline(Path(NAME), Surface(), Surface())
GOOD = KILLED._replace(
    run=KILLED.run._replace(outcome="exited", exit_code=0, term_signal=None), losses=()
)
INEXACT = GOOD._replace(losses=(Loss("kernel", "missed_runs", 1),))


def whole() -> Baseline:
    return EMPTY._replace(accepted=growth.surface(GOOD))


def test_a_run_that_is_not_exact_never_passes() -> None:
    found = growth.find(INEXACT, whole(), update=False)
    assert found.grown == ()
    assert found.exit_status(INEXACT, 0) == 125
    assert "cannot be told: the run is not exact" in growth.headline(INEXACT, found)


def test_nothing_of_a_run_that_is_not_exact_is_accepted() -> None:
    found = growth.find(INEXACT, EMPTY, update=True)
    assert not found.is_accepted(INEXACT)
    assert found.exit_status(INEXACT, 0) == 1
    assert growth.headline(INEXACT, found).startswith("not updated, as the run is not exact")


def test_growth_is_growth_also_in_a_run_that_is_not_exact() -> None:
    assert growth.find(INEXACT, EMPTY, update=False).exit_status(INEXACT, 0) == 1


def test_a_command_that_failed_keeps_its_status_where_nothing_grew() -> None:
    found = growth.find(KILLED._replace(losses=()), whole(), update=False)
    assert found.exit_status(KILLED, 159) == 159


def test_what_was_not_seen_is_no_failure() -> None:
    more = Surface(frozenset({("x86_64", "zzz")})) | growth.surface(GOOD)
    found = growth.find(GOOD, EMPTY._replace(accepted=more), update=False)
    assert found.exit_status(GOOD, 0) == 0
    assert "zzz" in growth.render(GOOD, found)


def test_a_name_of_a_file_is_data_in_every_format() -> None:
    found = growth.find(GOOD, EMPTY, update=False)
    shown = {
        style: growth_formats.text(GOOD, found, style, 0, width=80, colour=False)
        for style in growth_formats.FORMATS
    }
    assert "\x1b" not in "".join(shown.values())
    root = ElementTree.fromstring(shown["junit"])  # noqa: S314 - our own
    assert root[0].get("name") == NAME.replace("\x1b", "\\x1b")
    first = shown["github"].splitlines()[0]
    assert first.startswith("::error file=a b%2Cc%3Ad%25")
