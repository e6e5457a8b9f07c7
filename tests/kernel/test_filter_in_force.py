"""``sbtrace filter``: the filters in force in a running process, as the kernel has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tracer import syscalls
from tracer.profile import load, machine, parse
from tracer.profile.compare import compare
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filter_
from tracer.sandbox import in_force

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Sbtrace
    from tracer.profile import Profile

pytestmark = pytest.mark.kernel
# Loads the filters that stdin has the numbers of, says so, and waits to be let go.
SCRIPT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    code = ctypes.create_string_buffer(data, len(data))
    fprog = Fprog(len(data) // 8, ctypes.addressof(code))
    assert libc.prctl(22, 2, ctypes.byref(fprog)) == 0, ctypes.get_errno()
os.write(1, b"ready\\n")
os.read(0, 1)
"""
# The first leaves room for the second to be loaded.
OUTER = parse('default_action = "allow"\n[errno]\nEPERM = ["mount"]', "outer.toml")
INNER = parse(
    """default_action = "allow"
trap = ["mount"]
[errno]
EXFULL = ["getpgid", "umount2"]
[[rule]]
syscalls = ["socket"]
action = "errno:EACCES"
args = ["arg0 & 0xffffffff == 16"]
""",
    "inner.toml",
)


@contextmanager
def filtered(folder: Path, *profiles: Profile) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these filters, the first one loaded first."""
    paths = []
    for number, profile in enumerate(profiles):
        path = folder / f"{number}.bpf"
        with path.open("w+b") as file:
            filter_.compile(profile).export_bpf(file)
        paths.append(path)
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", SCRIPT, *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdin
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def asked(sbtrace: Sbtrace, pid: int) -> dict[str, Any]:
    done = sbtrace("filter", str(pid), "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_read_from_a_process_is_what_was_loaded(tmp_path: Path) -> None:
    """Instruction by instruction, the oldest filter first."""
    with filtered(tmp_path, OUTER, INNER) as process:
        found = in_force.read(process.pid)
    loaded = tuple(filter_.compile(profile).program() for profile in (OUTER, INNER))
    assert found.filters == loaded
    assert found.mode == "filter"
    assert found.stopped_ns


def test_a_target_of_sbtrace_is_under_its_profiles_filter(sbtrace: Sbtrace, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    run = subprocess.Popen(
        [
            *(Path(sys.executable).parent / "sbtrace", "run", "--profile", "RESOURCE-AWARE"),
            *("--", "/bin/sh", "-c", f"echo $$ > {fifo}; read line < {fifo}"),
        ],
        env={**os.environ, "SBTRACE_DB": str(sbtrace.db)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = int(fifo.read_text())
    found = in_force.read(pid)
    fifo.write_text("go\n")
    assert run.wait() == 0
    assert found.filters == (filter_.compile(load("RESOURCE-AWARE")).program(),)
    assert found.no_new_privs


def test_of_stacked_filters_the_strictest_answer_is_shown(sbtrace: Sbtrace, tmp_path: Path) -> None:
    with filtered(tmp_path, OUTER, INNER) as process:
        found = asked(sbtrace, process.pid)
        text = sbtrace("filter", str(process.pid)).stdout
    native = next(each for each in found["abis"] if each["abi"] == syscalls.native_abi())
    calls = native["calls"]
    assert len(found["filters"]) == 2
    assert calls["mount"] == {"cases": [], "otherwise": "trap"}
    assert calls["getpgid"] == {"cases": [], "otherwise": "errno:EXFULL"}
    assert calls["read"] == {"cases": [], "otherwise": "allow"}
    assert calls["socket"] == {
        "cases": [{"conditions": ["arg0 & 0xffffffff == 16"], "action": "errno:EACCES"}],
        "otherwise": "allow",
    }
    assert "errno:EXFULL  2 calls: getpgid umount2" in text
    assert "socket        errno:EACCES if domain == AF_NETLINK; else allow" in text


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_process_goes_on_as_it_was(tmp_path: Path) -> None:
    """Also one that Ctrl-Z has stopped stays so, and a thread is asked by its own number."""
    with filtered(tmp_path, OUTER) as process:
        assert len(in_force.read(process.pid).filters) == 1
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert len(in_force.read(process.pid).filters) == 1
        while state_of(process.pid) != "T":  # it is let go, and stops again by itself
            assert state_of(process.pid) in "RtT"
        process.send_signal(signal.SIGCONT)
        assert process.stdin
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.wait() == 0


def test_a_process_without_a_filter_is_not_stopped(sbtrace: Sbtrace) -> None:
    found = asked(sbtrace, os.getpid())
    assert found["mode"] == "disabled"
    assert found["stopped_ns"] is None
    assert found["abis"] is None


def test_one_that_is_traced_already_is_named_as_that(sbtrace: Sbtrace, tmp_path: Path) -> None:
    with filtered(tmp_path, OUTER) as process:
        tracer = subprocess.Popen(
            ["strace", "-o", "/dev/null", "-p", str(process.pid)], stderr=subprocess.PIPE
        )
        assert tracer.stderr
        assert b"attached" in tracer.stderr.readline()
        done = sbtrace("filter", str(process.pid))
        tracer.terminate()
        tracer.wait()
        tracer.stderr.close()
    assert done.returncode == 125
    assert done.stderr == (
        f"sbtrace: process {process.pid} cannot be stopped: it is traced already, by a debugger "
        "or strace, or you are not root\n"
    )


def test_a_number_of_no_process_is_an_error_of_one_line(sbtrace: Sbtrace) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    done = sbtrace("filter", str(process.pid))
    assert (done.returncode, done.stderr) == (125, f"sbtrace: there is no process {process.pid}\n")


def test_what_is_read_can_be_run_by_the_machine(tmp_path: Path) -> None:
    with filtered(tmp_path, INNER) as process:
        (found,) = in_force.read(process.pid).filters
    nr = syscalls.number(syscalls.native_abi(), "socket")
    assert nr is not None
    answer = machine.run(found, syscalls.native_abi(), nr, (16, 3, 0, 0, 0, 0))
    assert str(verdict(answer)) == "errno:EACCES"


def test_a_process_is_compared_with_the_profile_that_it_runs_under(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """All its filters together are no profile's; the one alone is."""
    profile = tmp_path / "inner.toml"
    profile.write_text(INNER.source)
    with filtered(tmp_path, INNER) as process:
        assert sbtrace("profile", "diff", str(process.pid), str(profile)).returncode == 0
    with filtered(tmp_path, OUTER, INNER) as process:
        done = sbtrace("profile", "diff", str(process.pid), str(profile))
    assert done.returncode == 0, done.stdout  # OUTER refuses nothing that INNER does not
    with filtered(tmp_path, OUTER) as process:
        done = sbtrace("profile", "diff", str(process.pid), str(profile))
    assert done.returncode == 1
    assert "  errno:EPERM in A, trap in B: 1 call\n    mount\n" in done.stdout


def test_the_filters_of_a_process_become_a_profile(sbtrace: Sbtrace, tmp_path: Path) -> None:
    """Of two that are stacked, the profile answers as the strictest of them."""
    with filtered(tmp_path, OUTER, INNER) as process:
        done = sbtrace("profile", "import", "--pid", str(process.pid))
    assert done.returncode == 0, done.stderr
    assert 'trap = ["mount"]' in done.stdout
    assert 'EXFULL = ["getpgid", "umount2"]' in done.stdout
    assert 'args = ["arg0 & 0xffffffff == 16"]' in done.stdout
    native = syscalls.native_abi()
    difference = compare(
        [filter_.compile(parse(done.stdout, "back.toml")).program()],
        [filter_.compile(profile).program() for profile in (OUTER, INNER)],
        native,
    )
    assert difference.calls == {}
    assert difference.others is None


ONCE = parse(
    """default_action = "errno:EPERM"
exec = "once"
allow = ["@default", "read", "write", "openat", "mount"]
[errno]
EXFULL = ["execveat"]
""",
    "once.toml",
)


def test_exec_once_is_recognised_in_force_and_its_secret_is_not_shown(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    own = tmp_path / "once.toml"
    own.write_text(ONCE.source)
    with filtered(tmp_path, OUTER, ONCE) as process:
        pid = str(process.pid)
        loaded = (tmp_path / "1.bpf").read_bytes()
        shown = [sbtrace("filter", *words, pid) for words in ((), ("--all",), ("--json",))]
        made = sbtrace("profile", "import", "--pid", pid)
        stacked = sbtrace("profile", "diff", pid, own)
    code = machine.program(loaded)
    secret = {each.k for each in code if each.code == 0x04 | machine.XOR}
    assert len(secret) == 4
    for done in (*shown, made, stacked):
        assert not any(f"{word}" in done.stdout or f"{word:x}" in done.stdout for word in secret)
    assert 'exec = "once"' in shown[0].stdout
    assert json.loads(shown[2].stdout)["exec_once"] is True
    assert 'exec = "once"' in made.stdout
    back = tmp_path / "back.toml"
    back.write_text(made.stdout)
    assert "errno:EPERM in A, allow in B: 1 call\n    mount\n" in stacked.stdout  # of OUTER
    again = sbtrace("profile", "diff", back, own)
    assert "errno:EPERM in A, allow in B: 1 call\n    mount\n" in again.stdout
    allowed = sbtrace("profile", "test", back, _table(tmp_path))
    assert allowed.returncode == 0, allowed.stdout


def _table(folder: Path) -> Path:
    path = folder / "calls.toml"
    path.write_text('allow = ["read"]\n"errno:EXFULL" = ["execveat"]\n"errno:EPERM" = ["execve"]\n')
    return path


def test_a_process_without_a_filter_gives_no_profile(sbtrace: Sbtrace) -> None:
    done = sbtrace("profile", "import", "--pid", str(os.getpid()))
    assert done.returncode == 125
    assert "without a seccomp filter: there is nothing to make a profile of" in done.stderr
