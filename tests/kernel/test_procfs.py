"""The baseline collector against real processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel.baseline import become_subreaper, compile_c, observe
from tests.support import Sbtrace
from tracer.collectors.procfs import ProcfsCollector, exits
from tracer.collectors.procfs import tree as tree_module
from tracer.collectors.procfs.tree import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled claims.c."""
    return compile_c(Path(__file__).with_name("claims.c"), tmp_path_factory.mktemp("claims"))


def test_a_program_shorter_than_an_interval_has_exact_counts() -> None:
    first, second = observe(["/bin/true"]).baseline, observe(["/bin/true"]).baseline
    assert first.read_syscalls == second.read_syscalls
    assert first.read_syscalls is not None
    assert first.read_syscalls > 0
    assert first.write_syscalls == 0


def test_a_zombies_row_has_counts_but_no_memory() -> None:
    last = observe(["/bin/true"]).samples[-1]
    assert last.read_syscalls
    assert last.minor_faults
    assert (last.rss_bytes, last.vm_bytes, last.peak_vm_bytes) == (None, None, None)


def test_samples_cover_children_and_orphans_of_the_target() -> None:
    seen = observe(["sh", "-c", "(sleep 0.31 & exec true); sleep 0.1"])
    sleeps = {s.pid: s for s in seen.samples if s.comm == "sleep" and s.rss_bytes}
    assert len(sleeps) == 2
    assert os.getpid() in {s.ppid for s in sleeps.values()}  # the orphan became ours
    assert len(seen.reaped) == 2  # the command and the orphan; the shell waited for the rest


def test_figures_of_nested_waits_are_added_once(claims: Path) -> None:
    one = observe([claims, "read", "1009"]).baseline
    script = f"{claims} read 1009; (({claims} read 1009; true); true)"
    shell = observe(["sh", "-c", "true; (true); ((true; true); true)"]).baseline
    nested = observe(["sh", "-c", script]).baseline
    per_exec = observe([claims, "read", "0"]).baseline
    assert None not in (nested.read_syscalls, per_exec.read_syscalls, shell.read_syscalls)
    assert (one.read_syscalls or 0) - (per_exec.read_syscalls or 0) == 1009
    assert 2 * 1009 <= (nested.read_syscalls or 0) < 2 * 1009 + 100


def test_cpu_time_and_peak_share_come_out_for_parallel_work() -> None:
    code = "import time\nend=time.process_time()+0.3\nwhile time.process_time()<end: pass"
    script = f'{sys.executable} -S -c "{code}" & {sys.executable} -S -c "{code}"; wait'
    base = observe(["sh", "-c", script]).baseline
    assert base.user_ns + base.system_ns > 0.6 * SECOND
    # How much of it came in one interval is up to whatever else runs here.
    assert base.peak_cpu_percent is not None
    assert 0 < base.peak_cpu_percent <= 100 * (os.cpu_count() or 1)


def test_peak_share_is_unknown_for_a_run_with_less_than_an_interval() -> None:
    assert observe(["/bin/true"], interval_ns=10 * SECOND).baseline.peak_cpu_percent is None


def test_peak_share_does_not_count_a_waited_child_twice() -> None:
    """One core's work, moved from child to parent account by account, stays one core."""
    code = "import time\nend=time.process_time()+0.2\nwhile time.process_time()<end: pass"
    one = f'{sys.executable} -S -c "{code}"'
    base = observe(["sh", "-c", f"{one}; ({one}; true); {one}"], interval_ns=100_000_000).baseline
    assert base.peak_cpu_percent is not None
    assert base.peak_cpu_percent <= 145  # one core, and two roundings to 10 ms at either end


def test_a_child_that_the_kernel_reaped_by_itself_is_a_loss() -> None:
    script = (
        "import os,signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.execlp('sleep', 'sleep', '0.2')\n"
        "try: os.wait()\nexcept ChildProcessError: pass\nimport time; time.sleep(0.1)"
    )
    losses = observe([sys.executable, "-S", "-c", script]).losses
    assert [(loss.kind, loss.count) for loss in losses if loss.kind != "late_sample"] == [
        ("unaccounted_child", 1)
    ]


def test_a_sample_more_than_an_interval_late_is_a_loss() -> None:
    with subprocess.Popen(["sleep", "5"]) as child:
        collector = ProcfsCollector(
            ProcessTree(os.getpid(), (child.pid,)), time.monotonic_ns(), 1_000_000
        )
        collector.sample()
        time.sleep(0.01)  # the lateness is what is tested
        collector.sample()
        child.kill()
    (loss,) = collector.losses()
    assert (loss.collector, loss.kind, loss.count) == ("procfs", "late_sample", 1)
    assert loss.first_ns == loss.last_ns


def test_an_account_that_cannot_be_read_makes_the_sum_unknown_and_a_loss() -> None:
    collector = ProcfsCollector(ProcessTree(os.getpid()), time.monotonic_ns(), SECOND)
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert collector.final(gone.pid) is None
    totals = collector.totals()
    assert (totals.read_syscalls, totals.write_syscalls) == (None, None)
    assert [(loss.kind, loss.count) for loss in collector.losses()] == [("unread_account", 1)]


@pytest.mark.parametrize("way", ["children files", "psutil"])
def test_both_ways_to_list_the_tree_agree(
    way: str, monkeypatch: pytest.MonkeyPatch, subreaper: None
) -> None:
    if way == "psutil":
        monkeypatch.setattr(tree_module, "_MANY_THREADS", -1)
    with _shell_with_two_sleeps() as shell:
        pids = ProcessTree(os.getpid()).pids()
        _kill_all(pids)
    assert (pids[0], len(pids)) == (shell.pid, 3)


def _shell_with_two_sleeps() -> subprocess.Popen[bytes]:
    shell = subprocess.Popen(["sh", "-c", "sleep 5 & sleep 5 & echo; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    shell.stdout.read(1)  # both are forked
    return shell


def _kill_all(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def subreaper() -> Iterator[None]:
    """Orphans of this test come to this process, and are reaped when it is over."""
    become_subreaper()
    yield
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    become_subreaper(wanted=False)


_ORPHAN_OF_ORDINARY_USER = """
import sys
from tests.kernel.baseline import observe
script = "sleep 0.1; (sleep 0.2 & exec true); exec sleep 0.4"
seen = observe(["sh", "-c", script], interval_ns=int(sys.argv[1]))
missing = [loss.kind for loss in seen.losses if loss.kind == "unread_account"]
print(seen.baseline.read_syscalls is not None, missing)
"""


@pytest.mark.parametrize(
    ("interval_ns", "answer"), [(30_000_000, "True"), (2_000_000_000, "False ['unread_account']")]
)
@pytest.mark.usefixtures("reach")
def test_an_orphan_that_no_sample_saw_makes_an_ordinary_users_sum_unknown(
    interval_ns: int, answer: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    assert _as_nobody(_ORPHAN_OF_ORDINARY_USER, interval_ns).startswith(answer)


def _as_nobody(script: str, *args: object) -> str:
    return subprocess.run(
        [sys.executable, "-B", "-c", script, *map(str, args)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=Path(__file__).parents[2],
    ).stdout


_AS_ORDINARY_USER = """
import sys
from tests.kernel.baseline import observe
seen = observe([sys.argv[1], "0.1"])
alive = [row for row in seen.samples if row.rss_bytes]
print([row.read_syscalls for row in alive], seen.samples[-1].read_syscalls is not None,
      seen.baseline.read_syscalls is not None)
"""


@pytest.mark.parametrize(("mode", "readable"), [(0o755, True), (0o711, False)])
@pytest.mark.usefixtures("reach")
def test_an_ordinary_user_has_the_account_of_a_zombie_but_not_of_an_unreadable_program(
    mode: int, readable: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = Path(shutil.copy("/bin/sleep", folder))
        program.chmod(mode)
        answer = _as_nobody(_AS_ORDINARY_USER, program)
    rows, *known = answer.strip().rsplit(" ", 2)
    assert ("None" not in rows) is readable
    # Kernels differ on a zombie whose program was unreadable.
    assert known == ["True"] * 2 or (not readable and known == ["False"] * 2)


def test_an_ordinary_users_peak_of_memory_is_unknown_and_a_loss(ordinary_sbtrace: Sbtrace) -> None:
    """Not the few KiB that a sample saw of it before it had mapped its libraries."""
    run = ordinary_sbtrace.run("id").record
    assert (run["max_rss_bytes"], run["peak_vm_bytes"]) == (None, None)
    assert untold(run) == [("untold_peak", 1)]


def untold(run: dict[str, Any]) -> list[tuple[str, int]]:
    """Kind and count of the losses that tell why no peak of memory is known."""
    return [(one["kind"], one["count"]) for one in run["losses"] if one["kind"] in exits.CAUSES]


@pytest.mark.parametrize(
    "namespace",
    [["--net"], ["--pid", "--fork", "--mount-proc"], ["--user", "--map-root-user"]],
    ids=lambda words: words[0],
)
def test_in_a_container_root_has_no_peak_of_memory_and_the_loss_says_why(
    tmp_path: Path, namespace: list[str]
) -> None:
    inside = ("unshare", *namespace, Path(sys.executable).parent / "sbtrace")
    sbtrace = Sbtrace(tmp_path, inside)
    run = sbtrace.run("true", options=["--trace", "none"]).record
    assert run["peak_vm_bytes"] is None
    assert untold(run) == [("untold_peak_contained", 1)]
