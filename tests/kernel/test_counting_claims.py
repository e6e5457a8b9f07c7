"""What docs/counting.md says of the baseline figures, each claim against the real kernel."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.kernel.baseline import Observed, compile_c, observe
from tracer.collectors.procfs import exits

pytestmark = pytest.mark.kernel

N = 23
"""How often the program does the thing: prime, so that no sum of other counts looks like it."""


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled claims.c."""
    return compile_c(Path(__file__).with_name("claims.c"), tmp_path_factory.mktemp("claims"))


def _run(claims: Path, mode: str, count: int) -> Observed:
    seen = observe([claims, mode, str(count)])
    assert seen.root_status == 0, mode
    return seen


def _added(claims: Path, mode: str) -> tuple[int, int]:
    """Reads and writes that doing it N times adds to doing it not at all."""
    without, with_n = _run(claims, mode, 0).baseline, _run(claims, mode, N).baseline
    assert None not in (without.read_syscalls, without.write_syscalls)
    return (
        (with_n.read_syscalls or 0) - (without.read_syscalls or 0),
        (with_n.write_syscalls or 0) - (without.write_syscalls or 0),
    )


@pytest.mark.parametrize("mode", ["read", "readv", "pread", "preadv", "preadv2"])
def test_every_member_of_the_read_family_counts_as_one_read(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (N, 0)


@pytest.mark.parametrize("mode", ["write", "writev", "pwrite", "pwritev", "pwritev2"])
def test_every_member_of_the_write_family_counts_as_one_write(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (0, N)


@pytest.mark.parametrize("mode", ["sendfile", "copy_file_range"])
def test_a_copy_within_the_kernel_counts_on_both_sides(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (N, N)


@pytest.mark.parametrize("mode", ["send_recv", "sendmsg_recvmsg", "splice"])
def test_sockets_own_calls_and_splice_count_as_neither(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (0, 0)


def test_read_and_write_on_a_socket_count(claims: Path) -> None:
    assert _added(claims, "socket_write_read") == (N, N)


@pytest.mark.parametrize(
    "mode",
    ["read_bad_descriptor", "read_write_only", "write_bad_descriptor", "write_read_only"],
)
def test_a_descriptor_that_is_refused_counts_as_neither(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (0, 0)


@pytest.mark.parametrize(
    "mode", ["read_empty_pipe", "read_null_pointer", "read_nothing", "read_end_of_file"]
)
def test_a_read_that_fails_or_brings_nothing_counts_once_the_file_was_asked(
    claims: Path, mode: str
) -> None:
    assert _added(claims, mode) == (N, 0)


@pytest.mark.parametrize("mode", ["thread", "reaped_child", "orphan"])
def test_reads_of_threads_reaped_children_and_orphans_count_once(claims: Path, mode: str) -> None:
    assert _added(claims, mode) == (N, 0)


def test_reads_of_a_child_whose_parent_ignores_sigchld_are_in_nobodys_account(
    claims: Path,
) -> None:
    assert _added(claims, "child_of_ignorer") == (0, 0)


def test_a_read_that_a_deadly_signal_ended_counts(claims: Path) -> None:
    idle, killed = _run(claims, "none", 0), observe([claims, "killed_in_read"])
    assert os.WTERMSIG(killed.root_status) == signal.SIGALRM
    assert killed.baseline.read_syscalls == (idle.baseline.read_syscalls or 0) + 1


def test_execve_itself_reads_the_program_and_its_interpreter(claims: Path) -> None:
    """Five reads by the kernel for each execve of a dynamic program, two for a static one."""
    loader = 3  # read and two pread64 of ld.so, the same at each exec; strace shows them
    reads, writes = _added(claims, "exec")
    assert (reads, writes) == (N * (5 + loader), 0)


def test_a_static_program_is_read_twice_by_execve(tmp_path: Path) -> None:
    source = tmp_path / "bare.c"
    source.write_text('void _start(void){__asm__("mov $60,%eax; xor %edi,%edi; syscall");}')
    if os.uname().machine != "x86_64":
        pytest.skip("the program is written in x86-64 assembly")
    bare = compile_c(source, tmp_path, "-static", "-nostdlib")
    assert observe([bare]).baseline.read_syscalls == 2


def test_an_account_starts_empty_at_fork() -> None:
    """What sbtrace itself read before is in its own account, not in that of the command."""
    before = observe(["/bin/true"]).baseline.read_syscalls
    with Path("/dev/zero").open("rb", buffering=0) as zero:
        for _ in range(N):
            zero.read(1)
    assert observe(["/bin/true"]).baseline.read_syscalls == before


@pytest.mark.parametrize("pages", [1009, 2017])
def test_each_page_touched_first_is_one_minor_fault(claims: Path, pages: int) -> None:
    """The program asks the kernel before and after; it fails if these are not as many."""
    seen = _run(claims, "touch_pages", pages)
    all_of_it = seen.reaped[seen.root_pid][1].ru_minflt
    assert pages < seen.baseline.minor_faults == all_of_it


def test_peak_memory_is_that_of_the_target_although_it_gave_it_back(claims: Path) -> None:
    peak = _run(claims, "memory", 251).baseline.max_rss_bytes
    assert peak is not None
    assert 251 << 20 <= peak < 254 << 20


def test_peaks_of_a_short_and_small_program_are_exact_and_not_its_launchers(
    claims: Path,
) -> None:
    """ru_maxrss survives execve: of a small program it is the size of what forked it."""
    seen = _run(claims, "memory", 3)
    launcher = seen.reaped[seen.root_pid][1].ru_maxrss * 1024
    rss, vm = seen.baseline.max_rss_bytes, seen.baseline.peak_vm_bytes
    assert launcher > 5 << 20
    assert rss is not None
    assert vm is not None
    assert 3 << 20 <= rss < 5 << 20
    assert 5 << 20 <= vm < 8 << 20


SMALL = """
__attribute__((naked)) void _start(void) {
    __asm__("mov $60, %eax; xor %edi, %edi; syscall");
}
"""


def test_a_small_program_has_an_address_space_and_no_known_peak_of_memory(tmp_path: Path) -> None:
    """The kernel's count of so few pages reads 0, which is no peak: unknown, and a loss says so."""
    source, program = tmp_path / "small.c", tmp_path / "small"
    source.write_text(SMALL)
    subprocess.run(["gcc", "-static", "-nostdlib", "-o", program, source], check=True)
    seen = observe([str(program)])
    assert seen.baseline.peak_vm_bytes is not None
    assert 0 < seen.baseline.peak_vm_bytes < 1 << 20
    told = [one.kind for one in seen.losses if one.kind.startswith("untold_peak")]
    assert told == ([exits.SMALL] if seen.baseline.max_rss_bytes is None else [])
    assert seen.baseline.max_rss_bytes != 0


def test_peak_memory_is_that_of_the_largest_process_however_deep_and_short(claims: Path) -> None:
    script = f"true; (true; (true; {claims} memory 47; true); true); true"
    peak = observe(["sh", "-c", script]).baseline.max_rss_bytes
    assert peak is not None
    assert 47 << 20 <= peak < 50 << 20


def test_without_taskstats_a_peak_is_known_only_where_it_is_above_the_launchers(
    claims: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> NoReturn:
        raise OSError(errno.EINVAL, "as in a PID namespace")

    monkeypatch.setattr(exits, "_listen", refused)
    small, large = _run(claims, "memory", 3), _run(claims, "memory", 251)
    assert small.baseline.max_rss_bytes is None
    assert large.baseline.max_rss_bytes is not None
    assert 251 << 20 <= large.baseline.max_rss_bytes < 270 << 20
    for seen in (small, large):
        assert seen.baseline.peak_vm_bytes is None
        assert [one.count for one in seen.losses if one.kind == exits.CONTAINED] == [1]


def test_what_the_launcher_used_up_is_taken_off_where_it_says_it() -> None:
    with_launcher = observe(["/bin/true"]).baseline
    alone = observe(["/bin/true"], says_its_use=True).baseline
    assert alone.minor_faults < with_launcher.minor_faults
    assert 30 < alone.minor_faults < 150


def test_a_death_by_sigsys_is_counted_from_the_wait_status() -> None:
    seen = observe(["sh", "-c", f"kill -{signal.SIGSYS:d} $$"])
    assert (seen.baseline.sigsys, os.WTERMSIG(seen.root_status)) == (1, signal.SIGSYS)


def test_every_test_that_the_page_names_exists() -> None:
    """docs/counting.md says which test holds which claim."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "counting.md").read_text(encoding="utf-8")
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (root / "tests").rglob("test_*.py")
    )
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert {name for name in named if f"def {name}(" not in tests} == set()
