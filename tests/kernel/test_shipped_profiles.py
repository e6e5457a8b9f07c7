"""What must work under the shipped profiles works, and what must not does not."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from tests.kernel import filtered
from tracer.profile import load

pytestmark = pytest.mark.kernel
PYTHON = "/usr/bin/python3"


def strict(*argv: str) -> tuple[int, str]:
    return filtered.run(load("STRICT"), [shutil.which(argv[0]) or argv[0], *argv[1:]])


def aware(*argv: str) -> tuple[int, str]:
    return filtered.run(load("RESOURCE-AWARE"), [shutil.which(argv[0]) or argv[0], *argv[1:]])


@pytest.mark.parametrize(
    "command",
    [
        "echo test",
        "sleep 0.01",
        "cat /etc/passwd",
        "ls -l /etc",
        "sort /etc/passwd",
        "wc /etc/passwd",
        "sha256sum /etc/passwd",
        "grep -r root /etc/passwd /etc/pam.d",
        "find /etc/pam.d -name *.conf",
        "date",
        "id",
        "gzip -c /etc/passwd",
        "xz -T1 -c /etc/passwd",
        "tail -n 3 /etc/passwd",
        "stat /etc/passwd",
        "env",
    ],
)
def test_a_program_that_only_looks_and_computes_runs_under_strict(command: str) -> None:
    """The commands of every day."""
    assert strict(*command.split())[0] == 0


@pytest.mark.parametrize(
    "python", [PYTHON, *sorted(map(str, Path("/root/.pyenv/versions").glob("3.1*/bin/python3")))]
)
def test_python_runs_under_strict(python: str) -> None:
    """Debian's, and whatever others are built here."""
    assert strict(python, "-c", "print(1)") == (0, "1\n")


def test_a_shell_and_an_exec_in_its_place_run_under_strict() -> None:
    """The next program in the same process stays under the same filter."""
    assert strict("sh", "-c", "echo hi") == (0, "hi\n")
    assert strict("sh", "-c", "exec cat /etc/hostname")[0] == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("sh", "-c", "echo $(id)"),
        ("sh", "-c", "id & wait"),
        (PYTHON, "-c", "import os; os.fork()"),
        (PYTHON, "-c", "import os; os.posix_spawn('/bin/true', ['true'], {})"),
        (PYTHON, "-c", "import threading; threading.Thread(target=print).start()"),
        ("mkdir", "/tmp/sbtrace-must-not-exist"),
        ("rm", "/etc/passwd"),
        ("mount", "--bind", "/etc", "/mnt"),
        (PYTHON, "-c", "import os; os.chmod('/etc/passwd', 0)"),
    ],
)
def test_what_leaves_the_process_or_changes_the_system_is_killed_by_strict(
    argv: tuple[str, ...],
) -> None:
    """A second process or thread, and every change of a file by name."""
    assert strict(*argv)[0] == filtered.SIGSYS
    assert not Path("/tmp/sbtrace-must-not-exist").exists()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import socket; socket.socket()", "PermissionError: [Errno 13]"),
        ("open('/tmp/sbtrace-must-not-exist', 'w')", "PermissionError: [Errno 13]"),
        ("open('/etc/passwd', 'r+')", "PermissionError: [Errno 13]"),
        ("import os; os.kill(1, 0)", "PermissionError: [Errno 1]"),
        ("import os; os.setuid(0)", "PermissionError: [Errno 1]"),
        (
            "import resource as r; r.prlimit(1, r.RLIMIT_CORE, (0, 0))",
            "PermissionError: [Errno 1]",
        ),
        ("import fcntl; fcntl.ioctl(0, 0x5412, b'x')", "OSError: [Errno 25]"),
        (
            "import fcntl; fcntl.ioctl(open('/etc/passwd'), 0x40086602, bytes(8))",
            "OSError: [Errno 25]",
        ),
    ],
)
def test_what_libraries_merely_try_is_refused_by_strict_with_an_error(
    code: str, error: str
) -> None:
    """The program lives, and can say what it missed."""
    status, output = strict(PYTHON, "-c", code)
    assert status == 1
    assert error in output
    assert not Path("/tmp/sbtrace-must-not-exist").exists()


def test_make_gcc_and_git_run_under_resource_aware(tmp_path: Path) -> None:
    """A parallel build of two programs and a look at a repository."""
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "Makefile").write_text("all: a b\na b: a.c\n\tgcc -o $@ a.c\n")
    assert aware("make", "-C", str(tmp_path), "-j2")[0] == 0
    assert (tmp_path / "b").exists()
    assert aware("git", "init", "-q", str(tmp_path))[0] == 0
    assert "a.c" in aware("git", "-C", str(tmp_path), "status")[1]


def test_threads_and_children_run_under_resource_aware() -> None:
    """A pool of processes, a pipeline, a thread."""
    pool = "import multiprocessing as m; print(m.Pool(2).map(abs, [1, -2]))"
    assert aware(PYTHON, "-c", pool) == (0, "[1, 2]\n")
    assert aware("sh", "-c", "echo $(echo hi | cat)") == (0, "hi\n")
    thread = "import threading as t; a = t.Thread(target=print, args=(1,)); a.start(); a.join()"
    assert aware(PYTHON, "-c", thread) == (0, "1\n")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("socket.socket()", 13),
        ("socket.socket(socket.AF_UNIX)", 13),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", 13),
    ],
)
def test_there_is_no_network_under_resource_aware(call: str, error: int) -> None:
    """Of no family, so that no local service can be asked either."""
    status, output = aware(PYTHON, "-c", f"import socket; {call}")
    assert (status, f"[Errno {error}]" in output) == (1, True)


def test_io_uring_is_no_way_round_the_filters() -> None:
    """Operations through a ring pass no filter, so there is no ring."""
    code = textwrap.dedent("""\
        import ctypes
        c = ctypes.CDLL(None, use_errno=True)
        print(c.syscall(425, 1, ctypes.create_string_buffer(256)), ctypes.get_errno())
    """)
    assert strict(PYTHON, "-c", code) == (0, "-1 38\n")
    assert aware(PYTHON, "-c", code) == (0, "-1 38\n")


def test_learning_blocks_nothing() -> None:
    """Not even what the other profiles agree to refuse."""
    argv = [PYTHON, "-c", "import socket, os; socket.socket(); os.fork()"]
    assert filtered.run(load("LEARNING"), argv) == (0, "")
