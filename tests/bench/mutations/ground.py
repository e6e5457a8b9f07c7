"""Where changed sources are tried: a copy of the checkout, and namespaces around its tests.

A changed sandbox or session may kill whom it likes and remove what it likes, as root. So its
tests see no process but their own, and can write to the copy and to a fresh /tmp alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT_OUT = (".git", ".venv", "build", "dist", "__pycache__", ".mypy_cache", ".ruff_cache")
_CACHE = Path("/var/cache/sbtrace")
_ENTER = f"""
mount --bind "$0" "$0" && mount -t tmpfs none /tmp && mount -t tmpfs none {_CACHE} &&
mount -o remount,bind,ro / && cd "$0/checkout" || exit 200
"$@"
"""
HUNG = -1


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
        self._stamp = time.time()

    def prepare(self) -> None:
        """Copy the checkout as it is, with an environment that imports the copy."""
        shutil.rmtree(self.checkout, ignore_errors=True)
        shutil.copytree(ROOT, self.checkout, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        shutil.copytree(ROOT / "bpf", self.checkout / "bpf", dirs_exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)
        _CACHE.mkdir(mode=0o755, exist_ok=True)
        if (kept := ROOT / "bpf" / "built").is_dir():
            shutil.copytree(kept, self.checkout / "bpf" / "built", dirs_exist_ok=True)
        self._environment()

    def _environment(self) -> None:
        made = self.checkout / ".venv"
        subprocess.run(
            ["/usr/bin/python3", "-m", "venv", "--without-pip", "--system-site-packages", made],
            check=True,
        )
        (own,) = (made / "lib").glob("python*/site-packages")
        (theirs,) = (ROOT / ".venv" / "lib").glob("python*/site-packages")
        (own / "copy.pth").write_text(f"{self.checkout}\n{theirs}\n")
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

    def compiles(self, path: str) -> bool:
        """Whether a changed C source is one: others are no mutants."""
        if path.endswith(".py"):
            return True
        check = (
            "from tracer.collectors.kernel import compile as c, variant as v\n"
            "c.compile_program(v.variant(logging=False))"
        )
        return self.run(["-c", check], 60).status == 0

    def pytest(self, words: Sequence[str], seconds: float) -> Ended:
        """Run tests in the copy, with the plain output of pytest."""
        return self.run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *words], seconds)

    def run(self, words: Sequence[str], seconds: float) -> Ended:
        """Run the copy's Python; who of it is alive at the end is killed with its namespace."""
        begun = time.monotonic()
        inside = ["sh", "-c", _ENTER, self.folder, self.checkout / ".venv" / "bin" / "python"]
        spaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
        process = subprocess.Popen(
            [*spaces, *inside, *words],
            env={**os.environ, "HOME": str(self.folder / "home"), "SBTRACE_REQUIRE_KERNEL": "1"},
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
