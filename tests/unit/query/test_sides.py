"""Which runs a side of a comparison means, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.store.records import HISTOGRAM, ODD, a_record
from tests.unit.store.test_spool import finished
from tracer.errors import RunNotFound, SbtraceError, UsageError
from tracer.query.sides import CallKey, Side, load
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 1, 2, tzinfo=UTC)
READ = CallKey("x86_64", 0, "read")


def run_id(number: int) -> str:
    return f"{number:x}" * 12


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs, one a day, of two builds by turns; the last one without eBPF."""
    path = tmp_path_factory.mktemp("sides") / "sbtrace.duckdb"
    for number in range(1, 7):
        changes = {"trace": "none", "exact": None, "total_syscalls": None} if number == 6 else {}
        record = a_record(
            run_id=run_id(number),
            started_at=START + timedelta(days=number),
            profile="LEARNING" if number < 3 else "STRICT",
            tags={"build": str(number % 2), ODD: ODD},
            **changes,
        )
        finished(path, record if number < 6 else record._replace(syscalls=(), syscall_errors=()))
    take_in(path)
    return path


def ids(side: Side) -> list[int]:
    return [int(run.run_id[0]) for run in side.runs]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("last~1", [5]),
        ("last~1,2222,3", [2, 3, 5]),
        ("2,22,222222222222", [2]),
        ("tag:build=1", [1, 3, 5]),
        (f"tag:build=1,tag:{ODD}={ODD},profile:strict", [3, 5]),
        ("profile:learning", [1, 2]),
        ("command:/bin/ls,last:2~1", [4, 5]),
        ("last:9~3,tag:build=1", []),
        ("since:2026-01-06", [4, 5]),
        ("command:ls,since:2026-01-05,last:1~1", [5]),
    ],
)
def test_what_a_side_means(database: Path, text: str, found: list[int]) -> None:
    if not found:
        with pytest.raises(RunNotFound, match="means no recorded run"):
            load(database, text, "last")
        return
    other = "last" if "since" not in text else "1"
    if text == "since:2026-01-06":
        found = [*found, 6]
    assert ids(load(database, text, other).a) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no run"),
        ("last,", "names no run"),
        ("command:", "nothing follows command:"),
        ("command:ls,last", "not both"),
        ("profile:a,profile:b", "stands there twice"),
        ("last:0", "last:10"),
        ("last:x", "last:10"),
        ("last:10000000000", "last:10"),
        ("since:soon", "since:2h"),
        ("since:99999999w", "since:2h"),
        ("tag:build", "tag:KEY=VALUE"),
        ("command:nothing-like-it", "means no recorded run"),
        ("f00d", "is not recorded"),
        ("last~99", "only 6 recorded"),
    ],
)
def test_what_means_nothing_is_said_in_one_line(database: Path, text: str, why: str) -> None:
    with pytest.raises(SbtraceError, match=why) as raised:
        load(database, text, "last")
    assert "\n" not in str(raised.value)
    with pytest.raises(SbtraceError, match=why):
        load(database, "1", text)


def test_no_run_may_be_on_both_sides(database: Path) -> None:
    with pytest.raises(UsageError, match="run 555555555555 is on both sides"):
        load(database, "last:2", "tag:build=1")


def test_what_is_read_of_a_run(database: Path) -> None:
    side = load(database, "1,2", "3").a
    (first, second) = side.runs
    assert first.started_at == START + timedelta(days=1)
    assert (first.counted, first.exact) == (True, True)
    assert first.figures["total_syscalls"] == 23
    assert first.figures["wall_ns"] is None
    assert first.about["argv"] == ("ls", ODD, "")
    assert first.about["tags"] == {"build": "1", ODD: ODD}
    one = side.calls[READ][second.run_id]
    assert (one.calls, one.errors, one.blocked, one.total_ns, one.returned) == (23, 2, 0, 230, 22)
    assert one.mean_ns == pytest.approx(230 / 22)
    assert side.calls[CallKey("i386", 3, "read")][first.run_id].mean_ns is None
    assert side.failed == {(READ, "EBADF"): {run_id(1): 2, run_id(2): 2}}
    assert side.histograms[READ] == tuple(2 * calls for calls in HISTOGRAM)


def test_a_run_without_ebpf_is_there_and_not_counted(database: Path) -> None:
    side = load(database, "last", "1").a
    assert ids(side) == [6]
    assert side.counted == ()
    assert side.calls == {}
    assert side.runs[0].figures["total_syscalls"] is None
    assert side.runs[0].exact is False
