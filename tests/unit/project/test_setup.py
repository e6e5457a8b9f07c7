"""Set-up asks of a machine only what it lacks, and says what it cannot install itself."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT, Completed, run

if TYPE_CHECKING:
    from pathlib import Path

PRESENT, MISSING = "libc6-dev", "no-such-package"
NEEDED = ["bash", "env", "id", "grep", "gcc", "git", "less", "strace"]


class Machine:
    """A PATH of our own, where apt-get and sudo only note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.calls = folder / "bin", folder / "calls"
        self.bin.mkdir()
        self.calls.touch()
        for name in NEEDED:
            self.link(name)

    def link(self, name: str) -> None:
        path = shutil.which(name)
        assert path, name
        (self.bin / name).symlink_to(path)

    def with_apt(self) -> Machine:
        self.link("dpkg-query")
        self._script("apt-get", f'echo "$*" >> {self.calls}')
        self._script("sudo", 'exec "$@"')
        return self

    def _script(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def packages(self, *names: str) -> Completed:
        return run([ROOT / ".ci" / "packages", *names], env={"PATH": str(self.bin)})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a system with dpkg")
def test_nothing_is_asked_of_apt_when_nothing_is_missing(machine: Machine) -> None:
    """With every package there, apt is not called and nothing is said."""
    done = machine.with_apt().packages(PRESENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls.read_text() == ""


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a system with dpkg")
def test_only_what_is_missing_is_installed(machine: Machine) -> None:
    """apt updates its lists and installs the missing package alone."""
    done = machine.with_apt().packages(PRESENT, MISSING)
    assert done.returncode == 0, done.stderr
    update, install = machine.calls.read_text().splitlines()
    assert update.split()[0] == "update"
    assert MISSING in install.split()
    assert PRESENT not in install.split()


def test_a_system_without_apt_is_told_what_to_install(machine: Machine) -> None:
    """One line names the thing and Fedora's command; no kernel headers are asked for."""
    (machine.bin / "strace").unlink()
    done = machine.packages(PRESENT)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.match(r"make: missing: .*\bstrace\b", line)
    assert "dnf install" in line
    assert "kernel-devel" not in line


def test_help_names_every_target_for_people() -> None:
    """`make help` is a line for each of the targets that the README and CI use."""
    done = run(["make", "-C", ROOT, "--no-print-directory", "help"])
    named = {line.split()[1] for line in done.stdout.splitlines()}
    assert {"help", "setup", "demo", "test", "check", "unit", "kernel", "bench"} <= named
    assert {"clean", "format"} <= named
