"""``sbtrace compare`` as a command: what it prints where, and the exit status for builds."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import ROOT, Sbtrace
from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from tracer.model import RunRecord


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Sbtrace:
    """Two runs of one build, and two of another that makes twice the calls; one is not exact."""
    sbtrace = Sbtrace(
        tmp_path_factory.mktemp("compare"), (sys.executable, "-m", "tracer.cli.main"), cwd=ROOT
    )
    for number, (build, calls) in enumerate((("1", 50), ("1", 50), ("2", 100), ("2", 100))):
        finished(sbtrace.db, a_build(number, build, total_syscalls=calls))
    finished(sbtrace.db, a_build(4, "3", exact=False))
    take_in(sbtrace.db)
    return sbtrace


def a_build(number: int, build: str, **changes: Any) -> RunRecord:
    return a_record(
        run_id=str(number) * 12,
        started_at=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=number),
        tags={"build": build},
        **changes,
    )


@pytest.mark.parametrize(
    ("sides", "fail_on", "status"),
    [
        (("tag:build=1", "tag:build=2"), "new-syscall", 0),
        (("tag:build=1", "tag:build=2"), "calls+100%", 0),
        (("tag:build=1", "tag:build=2"), "calls+99%", 1),
        (("tag:build=2", "tag:build=1"), "calls+0%", 0),
        (("0", "2"), "calls+99%", 125),
        (("tag:build=1", "tag:build=3"), "new-error", 125),
        (("tag:build=1", "tag:build=2"), "wall+1%", 125),
        (("tag:build=1", "tag:build=2"), "wall+1%,calls+99%", 1),
        (("tag:build=1", "tag:build=1"), "calls+1%", 2),
        (("tag:build=1", "tag:build=2"), "speed+1%", 2),
        (("tag:build=1", "tag:build=9"), "calls+1%", 125),
    ],
)
def test_the_exit_status_says_what_became_of_the_demands(
    recorded: Sbtrace, sides: tuple[str, str], fail_on: str, status: int
) -> None:
    answer = recorded("compare", *sides, "--fail-on", fail_on)
    assert answer.returncode == status, answer.stderr
    assert bool(answer.stdout) == (answer.stderr == "")
    assert len(answer.stderr.splitlines()) <= 1
    plain = recorded("compare", *sides, "--fail-on", fail_on, "--json")
    assert plain.returncode == status
    if plain.stdout:
        passed = [each["passed"] for each in json.loads(plain.stdout)["demands"]]
        assert len(passed) == len(fail_on.split(","))
        assert (False in passed) == (status == 1)


def test_a_demand_decides_also_where_bars_are_asked_for(recorded: Sbtrace) -> None:
    sides = ("tag:build=1", "tag:build=2", "--histogram", "read", "--fail-on", "calls+1%")
    assert recorded("compare", *sides).returncode == 1
    assert recorded("compare", *sides, "--json").returncode == 1


def test_it_needs_no_terminal_and_fits_into_the_columns_there_are(recorded: Sbtrace) -> None:
    wide = recorded("compare", "tag:build=1", "tag:build=2", "--all")
    assert wide.stderr == ""
    assert "\x1b" not in wide.stdout
    assert max(map(len, wide.stdout.splitlines())) <= 80
