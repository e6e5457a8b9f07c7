"""Where changed sources are tried: a copy of the checkout, and namespaces around its tests.

A changed sandbox or session may kill whom it likes and remove what it likes, as root. So its
tests see no process but their own, and can write to the copy and to a fresh /tmp alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tests.bench.mutations import watch
from tests.support import ROOT
from tracer.collectors.kernel.program.variant import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LEFT_OUT = (".git", ".venv", "build", "dist", "__pycache__", ".mypy_cache", ".ruff_cache")
_CACHE = Path("/var/cache/sbtrace")
_ENTER = f"""
mount --bind "$0" "$0" && mount -t tmpfs none /tmp && mount -t tmpfs none {_CACHE} &&
mount -o remount,bind,ro / && cd "$0/checkout" || exit 200
"$@"
"""
HUNG = -1
_BUILT = """
from tracer.collectors.kernel.program import built
from tracer.collectors.kernel.program.variant import SHIPPED, variant
print(built.build(variant(SHIPPED[{number}])), end="")
"""
_LOADED = """
from tracer.collectors.kernel.program.loaded import Program
for verdicts in ((), (2, 2, 2)):
    Program(print, verdicts=verdicts).close()
"""
"""Gives the kernel each of the programs."""
_LOAD_S = 120
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Ended(NamedTuple):
    """How pytest ended."""

    status: int
    """Its exit status; HUNG if it had to be ended."""
    output: str
    seconds: float


class Ground:
    """A copy of the checkout in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        self.watching = folder / "watching"
        self._built = self.checkout / "bpf" / "built"
        self.passing = set[str]()
        """Tests that were seen to pass here without a change."""
        self._stamp = time.time()

    def prepare(self) -> None:
        """Copy the checkout as it is, with an environment that imports the copy."""
        shutil.rmtree(self.checkout, ignore_errors=True)
        shutil.copytree(ROOT, self.checkout, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        shutil.copytree(ROOT / "bpf", self.checkout / "bpf", dirs_exist_ok=True)
        shutil.rmtree(self.watching, ignore_errors=True)
        (self.folder / "home").mkdir(exist_ok=True)
        _CACHE.mkdir(mode=0o755, exist_ok=True)
        if (kept := ROOT / "bpf" / "built").is_dir():
            shutil.copytree(kept, self._built, dirs_exist_ok=True)
        self._environment()
        self._original = {file.name: file.read_bytes() for file in self._built.iterdir()}

    def _environment_of_tests(self) -> dict[str, str]:
        home, watching = str(self.folder / "home"), str(self.watching)
        return {"HOME": home, "WATCHED": watching, "SBTRACE_REQUIRE_KERNEL": "1"}

    def _environment(self) -> None:
        made = self.checkout / ".venv"
        subprocess.run(
            ["/usr/bin/python3", "-m", "venv", "--without-pip", "--system-site-packages", made],
            check=True,
        )
        (own,) = (made / "lib").glob("python*/site-packages")
        (theirs,) = (ROOT / ".venv" / "lib").glob("python*/site-packages")
        (own / "copy.pth").write_text(f"{self.checkout}\n{theirs}\n")
        shutil.copy(Path(__file__).with_name("watch.py"), own / "mutations_watch.py")
        begin = f"import mutations_watch; mutations_watch.begin({str(self.watching)!r})\n"
        (own / "watch.pth").write_text(begin)
        script = (ROOT / ".venv" / "bin" / "sbtrace").read_text()
        target = made / "bin" / "sbtrace"
        target.write_text(script.replace(str(ROOT / ".venv"), str(made)))
        target.chmod(0o755)

    def write(self, path: str, source: bytes) -> None:
        """Put a source into the copy; each time it is newer, or bytecode might be stale."""
        self._stamp += 2
        file = self.checkout / path
        file.write_bytes(source)
        os.utime(file, (self._stamp, self._stamp))

    def restore(self, path: str, source: bytes) -> None:
        """Put a source back, and the programs that were built of it."""
        self.write(path, source)
        if not path.endswith(".py"):
            for name, content in self._original.items():
                (self._built / name).write_bytes(content)

    def why_none(self, path: str) -> str | None:
        """Why a changed C source is no mutant; None if it is another program that can be loaded.

        What the compiler makes the same program of, nothing can notice. What it, the kernel or
        sbtrace refuses at the start, everything would.
        """
        if path.endswith(".py"):
            return None
        for number, features in enumerate(SHIPPED):
            made = self.run(["-c", _BUILT.format(number=number)], _LOAD_S)
            if made.status != 0:
                return "refused by the compiler"
            if self._is_another(Path(made.output)):
                is_taken = features or self.run(["-c", _LOADED], _LOAD_S).status == 0
                return None if is_taken else "refused at the start"
        return "the same program"

    def _is_another(self, built: Path) -> bool:
        was, now = (json.loads(data) for data in (self._original[built.name], built.read_bytes()))
        return was["artifact"] != now["artifact"]

    def pytest(self, words: Sequence[str], seconds: float) -> Ended:
        """Run tests in the copy, with the plain output of pytest."""
        return self.run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *words], seconds)

    def watched(self, path: str, index: str, size: int, seconds: float) -> dict[str, Any]:
        """Run a file of tests, and say of each what it runs, how long it takes, if it fails."""
        self.watching.mkdir()
        (self.watching / watch.INDEX).write_text(index)
        (self.watching / watch.NOW).write_bytes(bytes(size))
        try:
            ended = self.pytest(["-p", "tests.bench.mutations.watched", path], seconds)
            kept = self.watching / "tests.json"
            if not kept.exists():
                sys.exit(f"mutations: {path} could not be watched: {ended.output[-2000:]}")
            found: dict[str, Any] = json.loads(kept.read_text())
            return found
        finally:
            shutil.rmtree(self.watching)

    def failing(self, tests: Sequence[str], seconds: float) -> set[str]:
        """Which of these fail."""
        return set(FAILED.findall(self.pytest(tests, seconds).output))

    def run(self, words: Sequence[str], seconds: float) -> Ended:
        """Run the copy's Python; who of it is alive at the end is killed with its namespace."""
        begun = time.monotonic()
        inside = ["sh", "-c", _ENTER, self.folder, self.checkout / ".venv" / "bin" / "python"]
        spaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
        process = subprocess.Popen(
            [*spaces, *inside, *words],
            env={**os.environ, **self._environment_of_tests()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
            status = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()  # and with it the first process of the namespace
            output, status = process.communicate()[0], HUNG
        if status == 200:
            sys.exit(f"mutations: no place of their own for tests that may do anything: {output}")
        return Ended(status, output, time.monotonic() - begun)


class Grounds:
    """Some grounds, for as many at once; none that another run uses."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        self._free = SimpleQueue[Ground]()
        self._held: list[IO[str]] = []
        number = 0
        while len(self._held) < count:
            number += 1
            if (held := _held(folder / str(number))) is not None:
                self._held.append(held)
                ground = Ground(folder / str(number))
                ground.prepare()
                self._free.put(ground)

    @contextmanager
    def one(self) -> Iterator[Ground]:
        """One that nobody else uses meanwhile."""
        ground = self._free.get()
        try:
            yield ground
        finally:
            self._free.put(ground)


def _held(folder: Path) -> IO[str] | None:
    """A folder's lock, for as long as this is open; None if another run holds it."""
    folder.mkdir(exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
