"""A loaded filter does to real calls what the profile decides."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys

import pytest

from tests.kernel import filtered
from tracer import syscalls
from tracer.errors import SandboxError
from tracer.profile import parse
from tracer.sandbox import filter as filter_

pytestmark = pytest.mark.kernel
# What Python needs to call a number and report; the rest of each profile is the test's.
SCRIPT = (
    "import ctypes,sys; c=ctypes.CDLL(None,use_errno=True).syscall;"
    "a=[ctypes.c_ulong(int(x)) for x in sys.argv[2:]];"
    "r=c(ctypes.c_long(int(sys.argv[1])),*a); print(r, ctypes.get_errno())"
)


def call(profile: str, name: str, *args: int) -> tuple[int, str]:
    """Exit status of a process that makes one call, and "return errno" if it lived."""
    nr = syscalls.number(syscalls.native_abi(), name)
    argv = ["/usr/bin/python3", "-S", "-c", SCRIPT, str(nr), *map(str, args)]
    return filtered.run(parse(profile, "test.toml"), argv)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("kill_process", (filtered.SIGSYS, "")),
        ("kill_thread", (filtered.SIGSYS, "")),
        ("trap", (filtered.SIGSYS, "")),
    ],
)
def test_a_call_that_is_killed_ends_the_process_with_sigsys(
    action: str, expected: tuple[int, str]
) -> None:
    """Each of the three that kill a process of one thread."""
    assert call(f'default_action = "allow"\n{action} = ["getpgid"]', "getpgid", 0) == expected


def test_a_call_that_is_refused_returns_its_errno() -> None:
    """The error is the profile's, and the call did not happen."""
    profile = 'default_action = "allow"\n[errno]\nEXFULL = ["getpgid"]'
    assert call(profile, "getpgid", 0) == (0, f"-1 {errno.EXFULL}\n")


def test_a_call_that_is_logged_happens() -> None:
    """``log`` permits."""
    code, output = call('default_action = "allow"\nlog = ["getppid"]', "getppid")
    assert (code, output.split()[1]) == (0, "0")


def test_a_call_that_libseccomp_does_not_know_is_refused_by_number() -> None:
    """The number is what counts; the call may not even exist in this kernel."""
    for name in ("file_getattr", "syscall_0x3e7"):
        profile = f'default_action = "allow"\n[errno]\nEXFULL = ["{name}"]'
        assert call(profile, name, 0, 0, 0, 0) == (0, f"-1 {errno.EXFULL}\n")


def test_arguments_decide_with_all_their_bits() -> None:
    """A mask of 32 bits ignores the upper half; without one it counts."""
    head = 'default_action = "allow"\n[[rule]]\nsyscalls = ["getpgid"]\naction = "errno:EXFULL"\n'
    masked = head + 'args = ["arg0 & 0xffffffff == 7"]'
    assert call(masked, "getpgid", 7)[1] == f"-1 {errno.EXFULL}\n"
    assert call(masked, "getpgid", 7 | 1 << 40)[1] == f"-1 {errno.EXFULL}\n"
    assert call(masked, "getpgid", 0)[1] != f"-1 {errno.EXFULL}\n"
    plain = head + 'args = ["arg0 == 7"]'
    assert call(plain, "getpgid", 7)[1] == f"-1 {errno.EXFULL}\n"
    assert call(plain, "getpgid", 7 | 1 << 40)[1] != f"-1 {errno.EXFULL}\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 numbers are those of x86_64")
def test_an_x32_number_kills_unless_the_profile_lists_x32() -> None:
    """A number with the x32 bit is no way round a list of native calls."""
    nr = f"syscall_{syscalls.X32_BIT | 39:#x}"
    assert call('default_action = "allow"', nr)[0] == filtered.SIGSYS
    assert call('default_action = "allow"\nabis = ["x32"]', nr)[0] == 0


def test_the_child_learns_the_kernels_own_error() -> None:
    """Without no_new_privs and without capabilities the kernel says EACCES, and so do we."""
    compiled = filter_.compile(parse('default_action = "allow"', "test.toml"))
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            os.setresuid(65534, 65534, 65534)
            filtered.load(compiled)
        except OSError as error:
            status = error.errno or 254
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EACCES


def test_a_profile_that_restricts_nothing_loads_nothing() -> None:
    """The target of LEARNING runs without a filter: Seccomp is 0 in its status."""
    profile = parse('default_action = "allow"\nabis = ["any"]', "test.toml")
    assert filter_.compile(profile).code() == b""
    code, output = filtered.run(profile, ["/bin/grep", "Seccomp:", "/proc/self/status"])
    assert (code, output.split()) == (0, ["Seccomp:", "0"])


def test_loading_libseccomp_starts_no_other_program() -> None:
    """ctypes would run ldconfig, and as a last resort gcc, to find the library."""
    script = (
        "import subprocess, ctypes.util\n"
        "def no(*a, **k): raise SystemExit('ran a program')\n"
        "subprocess.Popen = no\n"
        "from tracer.profile import load\nfrom tracer.sandbox import filter as f\n"
        "f.compile(load('STRICT')); print(ctypes.util.find_library.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("ctypes.util\n", "")


def test_loading_libseccomp_leaves_the_real_ctypes_util_for_others() -> None:
    """And does not import it, which would import subprocess."""
    script = (
        "import sys\nbefore = set(sys.modules)\n"
        "from tracer.profile import load\nfrom tracer.sandbox import filter as f\n"
        "f.compile(load('STRICT'))\n"
        "print({'ctypes.util', 'subprocess'} & (set(sys.modules) - before))\n"
        "import ctypes.util; print(ctypes.util.find_library.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\nctypes.util\n"


def test_a_libseccomp_too_old_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the level that is needed, before anything is started."""
    import pyseccomp

    monkeypatch.setattr(pyseccomp, "get_api", lambda: 2)
    with pytest.raises(SandboxError, match="API level 2, and 3 is needed"):
        filter_.compile(parse('default_action = "allow"', "test.toml"))
