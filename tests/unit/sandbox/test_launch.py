"""The launcher, forked for real: what it waits for, what it is bound by, and what it says."""

from __future__ import annotations

import errno
import os
import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tracer.errors import CommandNotExecutable, CommandNotFound, SandboxError
from tracer.sandbox import launch as module
from tracer.sandbox.launch import Launch, Launcher
from tracer.sandbox.privileges import Privileges
from tracer.sandbox.signals import SignalState
from tracer.sandbox.user import TargetUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME = TargetUser(os.geteuid(), os.getegid(), tuple(os.getgroups()), None, None, changes=False)
AS_IT_IS = Privileges(None, False, 0, 0, False)
NOT_BLOCKED = SignalState(frozenset(), ignores_sigchld=False)


def a_launch(*words: str, **changes: Any) -> Launch:
    file = changes.pop("file", "/bin/sh")
    plain = Launch(file, words, dict(os.environ), ME, AS_IT_IS, (), None)
    return plain._replace(**changes)


@contextmanager
def launched(launch: Launch, signals: SignalState = NOT_BLOCKED) -> Iterator[Launcher]:
    launcher = Launcher(launch, signals)
    try:
        yield launcher
    finally:
        launcher.close()


def status_of(launch: Launch, signals: SignalState = NOT_BLOCKED) -> int:
    """Exit status of the target, negative for a signal."""
    launcher = Launcher(launch, signals)
    launcher.release()
    assert os.read(launcher.exec_fd, 1) == b""  # closed by execve, or by the end
    status = os.waitstatus_to_exitcode(os.waitpid(launcher.pid, 0)[1])
    launcher.close()
    return status


def sh(script: str, **changes: Any) -> Launch:
    return a_launch("sh", "-c", script, **changes)


def test_what_was_not_released_is_never_started(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with launched(sh(f"touch {made}")) as launcher:
        assert launcher.failure() is None
        pid = launcher.pid
    assert not made.exists()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_the_command_has_its_words_and_its_environment() -> None:
    script = '[ "$0 $1" = "a b" ] && [ "$ONE" = "two words" ] || exit 3'
    launch = a_launch("sh", "-c", script, "a", "b", environment={"ONE": "two words"})
    assert status_of(launch) == 0


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        ("/no/such/file", CommandNotFound, "missing"),
        ("/etc/passwd/x", CommandNotFound, "missing"),
        ("/etc/passwd", CommandNotExecutable, "may not execute it"),
    ],
)
def test_a_file_that_cannot_be_executed_is_named(
    file: str, error: type[Exception], message: str
) -> None:
    launcher = Launcher(a_launch("x", file=file), NOT_BLOCKED)
    launcher.release()
    assert os.waitstatus_to_exitcode(os.waitpid(launcher.pid, 0)[1]) == 127
    failure = launcher.failure()
    launcher.close()
    assert isinstance(failure, error)
    assert file in str(failure)
    assert message in str(failure)


def test_a_file_that_is_no_program_is_told_what_a_script_needs(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    launcher = Launcher(a_launch("x", file=str(script)), NOT_BLOCKED)
    launcher.release()
    os.waitpid(launcher.pid, 0)
    assert "#!" in str(launcher.failure())
    launcher.close()


@pytest.mark.parametrize(
    ("stage", "code", "hint"),
    [
        ("execve", errno.EPERM, "mount options"),
        ("execve", errno.E2BIG, "Argument list too long"),
        ("identity", errno.EPERM, "cannot set up the identity of the target"),
    ],
)
def test_each_failure_has_its_hint(stage: str, code: int, hint: str) -> None:
    failure = module._failure(a_launch("x"), stage, code)
    assert hint in str(failure)
    assert isinstance(failure, CommandNotExecutable if stage == "execve" else SandboxError)


def test_a_filter_that_cannot_be_loaded_is_the_failure() -> None:
    def refuse() -> None:
        raise OSError(errno.EACCES, "no")

    launcher = Launcher(sh("exit 0", load_filter=refuse), NOT_BLOCKED)
    launcher.release()
    os.waitpid(launcher.pid, 0)
    failure = launcher.failure()
    launcher.close()
    assert isinstance(failure, SandboxError)
    assert "cannot set up the filter of the target: Permission denied" in str(failure)


def test_limits_are_soft_and_hard_at_once() -> None:
    limits = ((resource.RLIMIT_CORE, 512 * 7), (resource.RLIMIT_NOFILE, 53))
    script = "[ $(ulimit -Sc) = 7 ] && [ $(ulimit -Hc) = 7 ] && [ $(ulimit -Hn) = 53 ]"
    assert status_of(sh(script, limits=limits)) == 0


def test_there_is_a_second_between_the_two_limits_of_cpu_time() -> None:
    """Else SIGKILL would come without SIGXCPU."""
    script = "[ $(ulimit -St) = 5 ] && [ $(ulimit -Ht) = 6 ]"
    assert status_of(sh(script, limits=((resource.RLIMIT_CPU, 5),))) == 0


def test_a_limit_is_never_raised() -> None:
    with launched(sh("exit 0")) as launcher:
        resource.prlimit(launcher.pid, resource.RLIMIT_NOFILE, (20, 30))
        launcher.bound(((resource.RLIMIT_NOFILE, 1000),))
        assert resource.prlimit(launcher.pid, resource.RLIMIT_NOFILE) == (30, 30)
        launcher.bound(((resource.RLIMIT_NOFILE, 25),))
        assert resource.prlimit(launcher.pid, resource.RLIMIT_NOFILE) == (25, 25)


def test_the_callers_limit_of_open_files_is_given_back() -> None:
    with launched(sh("exit 0")) as launcher:
        launcher.limit_descriptors((17, 40))
        assert resource.prlimit(launcher.pid, resource.RLIMIT_NOFILE) == (17, 40)


def test_no_descriptor_but_the_standard_ones_gets_through() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        assert status_of(sh(f"[ ! -e /proc/self/fd/{writer} ]")) == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_standard_descriptors_that_were_closed_are_closed() -> None:
    assert status_of(sh("[ ! -e /proc/$$/fd/0 ]", closed=(0,))) == 0


def has_line(pattern: str) -> Launch:
    """Not by a shell: it sets signals of its own."""
    return a_launch("grep", "-q", pattern, "/proc/self/status", file="/bin/grep")


def test_the_signal_mask_of_the_caller_is_restored() -> None:
    mask = frozenset({int(signal.SIGUSR1)})
    state = SignalState(mask, ignores_sigchld=False)
    assert status_of(has_line("SigBlk:.*0000000000000200"), state) == 0
    assert status_of(has_line("SigBlk:.*0000000000000000")) == 0


@pytest.mark.parametrize("ignores", [True, False])
def test_sigchld_is_ignored_where_the_caller_did(ignores: bool) -> None:
    state = SignalState(frozenset(), ignores)
    assert (status_of(has_line("SigIgn:.*1....$"), state) == 0) is ignores


def test_the_use_of_the_launcher_is_what_it_says() -> None:
    launcher = Launcher(sh("exit 0"), NOT_BLOCKED)
    assert launcher.used() == (0, 0, 0, 0, 0)
    launcher.release()
    os.waitpid(launcher.pid, 0)
    user, system, minor, _major, peak = launcher.used()
    launcher.close()
    assert user + system > 0
    assert minor > 0
    assert peak > 1 << 20  # bytes: an interpreter is larger than that


def test_times_and_sizes_of_the_launcher_are_in_nanoseconds_and_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = [1.000000007, 2.000000011, 1013, 0, 0, 0, 17, 19, *[0] * 8]
    monkeypatch.setattr(resource, "getrusage", lambda _: resource.struct_rusage(fields))
    launcher = Launcher(sh("exit 0"), NOT_BLOCKED)
    launcher.release()
    os.waitpid(launcher.pid, 0)
    assert launcher.used() == (1_000_000_007, 2_000_000_011, 17, 19, 1013 * 1024)
    launcher.close()


@pytest.mark.parametrize(("name", "shown"), [("eve", "user eve may"), (None, "user 1009 may")])
def test_who_may_not_execute_a_file_is_named_or_else_numbered(name: str | None, shown: str) -> None:
    user = TargetUser(1009, 1009, (), name, None, changes=True)
    assert shown in str(module._failure(a_launch("x", user=user), "execve", errno.EACCES))


def test_the_command_dies_with_the_one_that_launched_it() -> None:
    """The launcher of a child that is killed: nobody may be left."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        launcher = Launcher(sh("read never"), NOT_BLOCKED)
        launcher.release()
        os.read(launcher.exec_fd, 1)
        os.write(writer, b"%d" % launcher.pid)
        signal.pause()
    command = int(os.read(reader, 32))
    pidfd = os.pidfd_open(command)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    import select

    assert select.select([pidfd], [], [], 30)[0]  # readable once it is dead: pidfd_open(2)
    for descriptor in (pidfd, reader, writer):
        os.close(descriptor)


@pytest.mark.parametrize("scoped", [True, False])
def test_a_scope_that_the_kernel_does_not_give_is_said(
    scoped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 6.12, or under a filter of the caller's own."""
    monkeypatch.setattr(module.landlock, "scope_signals", lambda: scoped)
    with launched(sh(":", privileges=AS_IT_IS._replace(no_new_privs=True))) as launcher:
        launcher.release()
        assert os.read(launcher.exec_fd, 1) == b""
        said = launcher.unprotected()
    assert len(said) == (0 if scoped else 1)
    assert all("signal" in line for line in said)


def test_what_needs_no_protection_says_nothing_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that filters nothing leaves the target as it would be without sbtrace."""
    monkeypatch.setattr(module.landlock, "scope_signals", lambda: False)
    with launched(sh(":")) as launcher:
        launcher.release()
        assert os.read(launcher.exec_fd, 1) == b""
        assert launcher.unprotected() == ()
