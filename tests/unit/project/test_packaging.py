"""A wheel of the project works outside the checkout, with all that it needs inside."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT, Completed, run

if TYPE_CHECKING:
    from pathlib import Path

DATA = ("bpf", "profiles", "queries")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout with the tools that are here, so without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT])
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("sbtrace-*.whl")
    return path


class Installed:
    """The wheel in a fresh environment made as `make setup` makes its own.

    Its dependencies come from the environment that the tests run in, through a .pth file; so
    does sbtrace's checkout, were it not for the wheel's own copy, which comes first.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.venv, self.cwd = folder / "venv", folder / "elsewhere"
        self.cwd.mkdir()
        subprocess.run(
            ["/usr/bin/python3", "-m", "venv", "--system-site-packages", self.venv], check=True
        )
        pip = [self.venv / "bin" / "pip", "--disable-pip-version-check", "install", "--quiet"]
        installed = run([*pip, "--no-deps", "--no-index", wheel])
        assert installed.returncode == 0, installed.stderr
        (self.packages,) = self.venv.glob("lib/python*/site-packages")
        (self.packages / "outer.pth").write_text("\n".join(site.getsitepackages()) + "\n")

    def __call__(self, *args: str) -> Completed:
        """Run the wheel's `sbtrace ARGS` far from the checkout."""
        return run(
            [self.venv / "bin" / "sbtrace", *args],
            cwd=self.cwd,
            env={"SBTRACE_DB": str(self.cwd / "runs.duckdb"), "HOME": str(self.cwd)},
        )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def files_of(folder: str) -> set[str]:
    paths = (ROOT / folder).rglob("*")
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", DATA)
def test_the_wheel_holds_every_file_of_a_data_folder(wheel: Path, folder: str) -> None:
    """Nothing of bpf/, profiles/ and queries/ is left behind, and nothing is added."""
    names = zipfile.ZipFile(wheel).namelist()
    prefix = "tracer/_data/"
    held = {n.removeprefix(prefix) for n in names if n.startswith(f"{prefix}{folder}/")}
    assert held == files_of(folder)
    assert held


def test_the_wheel_holds_no_tests_and_no_dependency_on_bcc(wheel: Path) -> None:
    """PyPI's bcc is another project: naming it would install that one."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        requirements = [
            line.split()[1]
            for line in archive.read(metadata).decode().splitlines()
            if line.startswith("Requires-Dist:")
        ]
    assert not [name for name in names if name.startswith("tests")]
    assert not [name for name in requirements if name.lower().startswith("bcc")]


def test_the_wheels_data_folders_are_its_own(installed: Installed) -> None:
    """Outside the checkout, resources come from the installed package."""
    code = (
        "from tracer import resources as r; print(r.bpf_dir(), r.profiles_dir(), r.queries_dir())"
    )
    done = run([installed.venv / "bin" / "python", "-c", code], cwd=installed.cwd)
    own = installed.packages.resolve() / "tracer" / "_data"
    assert done.stdout.split() == [str(own / name) for name in DATA]


def test_the_wheel_knows_its_version(installed: Installed) -> None:
    """`sbtrace --version` is that of the file's name."""
    done = installed("--version")
    assert done.returncode == 0, done.stderr
    (dist,) = installed.packages.glob("sbtrace-*.dist-info")
    assert dist.name.split("-")[1].removesuffix(".dist") in done.stdout


def test_the_wheel_lists_the_profiles_of_the_checkout(installed: Installed) -> None:
    """`sbtrace profile list` finds the shipped profiles."""
    done = installed("profile", "list")
    assert done.returncode == 0, done.stderr
    for name in ("STRICT", "RESOURCE-AWARE", "LEARNING"):
        assert name in done.stdout


def test_the_wheel_lists_the_queries_of_the_checkout(installed: Installed) -> None:
    """`sbtrace query --list` names every saved query."""
    done = installed("query", "--list")
    assert done.returncode == 0, done.stderr
    for path in (ROOT / "queries").glob("*.sql"):
        assert path.stem in done.stdout


@pytest.mark.kernel
def test_the_wheel_traces_a_run(installed: Installed) -> None:
    """`sbtrace run` loads the packaged BPF program, built or compiled now, and counts with it."""
    output = installed.cwd / "out.json"
    done = installed("run", "--trace", "full", "--json", "-o", str(output), "/bin/echo", "hello")
    assert (done.returncode, done.stdout) == (os.EX_OK, "hello\n"), done.stderr
    assert json.loads(output.read_text())["total_syscalls"] > 0
