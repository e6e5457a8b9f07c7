"""``exec = "once"`` and ``unknown`` in force: one execve, and ENOSYS for what is newer."""

from __future__ import annotations

import errno
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers and registers of x86_64"),
]
HERE = Path(__file__).parent
ONCE = 'default_action = "allow"\nexec = "once"\n'
EXECS = {59: 2, 520: 2, 322: 1, 545: 1}
"""The numbers that the program tries, and how often from each place."""


def built(folder: Path, name: str, *flags: str) -> Path:
    program = folder / name
    subprocess.run(["gcc", "-Wall", *flags, "-o", program, HERE / f"{name}.c"], check=True)
    return program


def profile(folder: Path, text: str) -> Path:
    path = folder / "once.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ONCE, errno.EPERM),
        (ONCE + 'allow = ["execve", "execveat"]', errno.EPERM),
        (ONCE + '[errno]\nEXFULL = ["execve", "execveat"]', errno.EXFULL),
    ],
)
def test_after_the_launchers_execve_none_is_let_through(
    sbtrace: Sbtrace, tmp_path: Path, text: str, code: int
) -> None:
    """By no number, with no arguments, from no thread and no child; what is listed may refuse."""
    program = built(tmp_path, "exec_again", "-pthread")
    run = sbtrace.run(program, options=["--profile", profile(tmp_path, text)])
    lines = run.process.stdout.splitlines()
    expected = [
        f"{place} {number}: {code if number in (59, 322) else errno.EPERM}"
        for place in ("main", "thread", "child")
        for number, times in EXECS.items()
        for _ in range(times)
    ]
    assert lines == [*expected, f"vfork: {code}"]
    assert run.syscalls("blocked")["execve"] == 3 * EXECS[59] + 1
    assert run.syscalls("blocked")["execveat"] == 3 * EXECS[322]


def test_no_register_tells_the_target_how_it_was_started(sbtrace: Sbtrace, tmp_path: Path) -> None:
    """The kernel clears those that held the secret before the first instruction."""
    program = built(tmp_path, "registers", "-nostdlib", "-static")
    run = sbtrace.run(program, options=["--profile", profile(tmp_path, ONCE)])
    assert run.process.stdout == "\0" * 24


def test_a_command_that_cannot_be_executed_is_told_as_ever(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """The launcher's own execve fails by the kernel, not by the filter."""
    script = tmp_path / "script"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o755)
    done = sbtrace("run", "--profile", profile(tmp_path, ONCE), script)
    assert done.returncode == 127
    assert "the interpreter that it names" in done.stderr


def test_what_is_newer_than_the_profile_is_unknown_to_the_target(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """ENOSYS for numbers that no kernel has yet, EPERM for a call that is merely not listed."""
    script = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True).syscall\n"
        "for nr in (464, 500, 384, 165): c(nr, 0, 0, 0, 0); print(ctypes.get_errno())"
    )
    text = (
        'default_action = "errno:EPERM"\nunknown = "errno:ENOSYS"\nknows = "6.12"\n'
        'allow = ["@default", "@basic-io", "@io-event", "@process", "@signal", "@file-system",'
        ' "ioctl", "sysinfo"]\n[errno]\nEXFULL = ["getxattrat"]\n'
    )
    run = sbtrace.run(
        *("/usr/bin/python3", "-S", "-c", script), options=["--profile", profile(tmp_path, text)]
    )
    codes = [errno.EXFULL, errno.ENOSYS, errno.ENOSYS, errno.EPERM]
    assert run.process.stdout.split() == [str(code) for code in codes]
