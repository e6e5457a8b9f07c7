"""What tests share: sbtrace as a command, and the test programs of tests/programs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import duckdb
import pytest

from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tests" / "programs"
NOBODY = 65534
NATIVE = syscalls.native_abi()
LONELY = 61184 + os.getpid() % 4096
"""A user with nothing of his own on the machine; there is no name for him."""
# Seconds for one command; an emulated machine needs more.
TIMEOUT = float(os.environ.get("SBTRACE_TEST_TIMEOUT", "120"))

REQUIRED = "SBTRACE_REQUIRE_KERNEL"

Completed = subprocess.CompletedProcess[str]
Word = str | Path


def skip(reason: str) -> NoReturn:
    """Skip a test for want of something; where everything is required, it fails by that."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{reason}, and {REQUIRED}=1 forbids to skip", pytrace=False)
    pytest.skip(reason)


def require_reach() -> None:
    """Skip what other users than root do with the checkout, where they cannot get to it."""
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in (ROOT, *ROOT.parents)):
        skip("the checkout lies where only root can go")


def run(
    command: Sequence[Word],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float = TIMEOUT,
) -> Completed:
    """Run to the end; ``env`` is added to the environment. Bytes that are not UTF-8 survive."""
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        input=stdin if stdin is not None else "",
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
    )


def hear_signals() -> None:
    """Let what is started begin with the signals of a terminal, also under nohup or ``&``.

    An ignored signal stays so across fork and exec: execve(2). A handler does not: what is
    started has the default, and the caller itself is as deaf as it was made.
    """
    ours = {signal.SIGPIPE, signal.SIGXFSZ}  # ignored by Python, which children are spared
    for number in signal.valid_signals() - ours:
        if signal.getsignal(number) == signal.SIG_IGN:
            quiet = number == signal.SIGCHLD  # waitpid must find its children
            signal.signal(number, signal.SIG_DFL if quiet else lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@dataclass(frozen=True)
class Recorded:
    """One `sbtrace run --json -o FILE`."""

    process: Completed
    """The command's own output and exit status; ``stderr`` may hold sbtrace's notes."""
    record: dict[str, Any]
    """The run as sbtrace gives it in JSON."""

    def syscalls(self, column: str = "calls", abi: str = NATIVE) -> dict[str, int]:
        """name -> ``column``, of one ABI."""
        return {row["name"]: row[column] for row in self.record["syscalls"] if row["abi"] == abi}


class Sbtrace:
    """The `sbtrace` of this checkout, with a database of its own."""

    def __init__(
        self, folder: Path, launcher: Sequence[Word] | None = None, cwd: Path | None = None
    ) -> None:
        self.folder = folder
        self.cwd = cwd
        self.db = folder / "runs.duckdb"
        self._launcher = launcher or [Path(sys.executable).parent / "sbtrace"]
        self._runs = 0

    def __call__(
        self,
        *args: Word,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Completed:
        """Run `sbtrace ARGS`; nothing is required of how it ends."""
        return run(
            [*self._launcher, *args],
            env={"SBTRACE_DB": str(self.db), **(env or {})},
            cwd=cwd or self.cwd,
            stdin=stdin,
            timeout=timeout,
        )

    def run(self, *command: Word, options: Sequence[Word] = (), **how: Any) -> Recorded:
        """`sbtrace run --json -o FILE OPTIONS -- COMMAND`; fails if no record was written."""
        self._runs += 1
        output = self.folder / f"run-{self._runs}.json"
        process = self("run", "--json", "-o", output, *options, "--", *command, **how)
        written = output.read_text() if output.exists() else ""
        assert written, f"no record, exit {process.returncode}: {process.stderr}"
        return Recorded(process, json.loads(written))

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of ``query`` over the database, read by DuckDB itself and not by sbtrace."""
        with duckdb.connect(str(self.db), read_only=True) as connection:
            found = connection.execute(query)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@contextmanager
def ordinary_user(folder: Path, uid: int = NOBODY) -> Iterator[Sbtrace]:
    """sbtrace as that uid, with no capability. Needs root to become that.

    The checkout may lie where only root can go, so it is bound to ``folder`` in a mount
    namespace of the command's own.
    """
    checkout, home = folder / "checkout", folder / "home"
    checkout.mkdir()
    home.mkdir()
    os.chown(home, uid, uid)
    drop = f"setpriv --reuid={uid} --regid={uid} --clear-groups --inh-caps=-all"
    enter = f'mount --bind "{ROOT}" "{checkout}" && exec {drop} -- "$@"'
    python = checkout / Path(sys.executable).relative_to(ROOT)
    yield Sbtrace(
        home,
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh"),
            *("env", f"HOME={home}", f"PYTHONPATH={checkout}", "PYTHONDONTWRITEBYTECODE=1"),
            *(python, "-m", "tracer.cli.main"),
        ],
        cwd=home,
    )


class Programs:
    """The C programs of tests/programs, built, in a folder that every user can reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        path = self.folder / name
        assert path.exists(), f"no test program {name}; there are {', '.join(self.names())}"
        return path

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix != ".so")


def build_programs(folder: Path) -> Programs:
    """Build what changed in the checkout, and copy all to ``folder``."""
    with (SOURCES / "Makefile").open() as lock:  # two sessions of pytest must not build at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = run(["make", "--silent", "-C", SOURCES])
        assert built.returncode == 0, built.stderr
        shutil.copytree(SOURCES / "bin", folder, dirs_exist_ok=True)
    return Programs(folder)


def expectation(stdout: str | bytes) -> dict[str, Any]:
    """What a test program said of itself: its first line, see tests/programs/expect.h."""
    expected: dict[str, Any] = json.loads(stdout.splitlines()[0])
    return expected
