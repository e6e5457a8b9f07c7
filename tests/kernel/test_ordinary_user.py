"""An ordinary user's run: the baseline, and one line about what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

FROM_EBPF = ("total_syscalls", "blocked_syscalls", "error_syscalls", "unfinished_syscalls", "exact")


def test_the_baseline_is_had_and_what_ebpf_would_tell_is_null(ordinary_sbtrace: Sbtrace) -> None:
    recorded = ordinary_sbtrace.run("cat", "/etc/passwd")
    assert recorded.process.returncode == 0
    assert recorded.process.stdout.startswith("root:")
    assert recorded.record["read_syscalls"] > 0
    assert recorded.record["write_syscalls"] > 0
    (row,) = ordinary_sbtrace.sql(f"SELECT trace, {', '.join(FROM_EBPF)} FROM runs")  # noqa: S608 - names of ours
    assert row["trace"] == "none"
    assert {name: row[name] for name in FROM_EBPF} == dict.fromkeys(FROM_EBPF)
    assert ordinary_sbtrace.sql("SELECT count(*) AS n FROM syscalls") == [{"n": 0}]


def test_what_is_missing_is_said_with_the_way_to_get_it(ordinary_sbtrace: Sbtrace) -> None:
    done = ordinary_sbtrace("run", "true")
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "eBPF" in line]
    assert "sudo" in line


def test_trace_none_asks_for_nothing_and_says_nothing(ordinary_sbtrace: Sbtrace) -> None:
    done = ordinary_sbtrace("run", "--trace", "none", "true")
    assert done.returncode == 0
    assert "sudo" not in done.stderr


def test_a_profile_is_held_without_root(ordinary_sbtrace: Sbtrace) -> None:
    recorded = ordinary_sbtrace.run("sh", "-c", "echo $(id)", options=["--profile", "STRICT"])
    assert recorded.process.returncode == 159
    assert recorded.record["outcome"] == "blocked"
    assert recorded.record["sigsys"] == 1


def test_the_figures_of_a_short_program_are_the_programs(ordinary_sbtrace: Sbtrace) -> None:
    record = ordinary_sbtrace.run("true").record
    assert record["minor_faults"] < 200
    assert record["read_syscalls"] is not None


def test_a_target_of_the_same_user_may_not_trace_sbtrace(ordinary_sbtrace: Sbtrace) -> None:
    """Whoever may read /proc/PID/environ may attach to the process, too: ptrace(2)."""
    script = "cat /proc/self/environ >/dev/null && echo own; cat /proc/$PPID/environ"
    done = ordinary_sbtrace("run", "-q", "--", "env", "-i", "sh", "-c", script)
    assert done.stdout == "own\n"
    assert "/environ: Permission denied" in done.stderr
