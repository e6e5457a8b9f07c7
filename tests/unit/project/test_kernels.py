"""The bench of other kernels: what it fetches, what it keeps, and the table that it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.kernels import kept, packages, results
from tests.bench.kernels.catalogue import KERNELS, Kernel
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

A_TEST = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
def test_skipped(): pytest.skip("no such device")
"""


class Mirror(packages.Packages):
    """One that has these packages."""

    def __init__(self, folder: Path, *names: str) -> None:
        super().__init__(folder)
        self._names = list(names)

    def newest(self, kernel: Kernel) -> str:
        return self._newest(kernel)


def test_the_newest_kernel_is_taken_by_number_and_only_where_all_its_packages_are(
    tmp_path: Path,
) -> None:
    mirror = Mirror(
        tmp_path,
        *("image-6.9.1-amd64", "image-6.10.2-amd64", "image-6.11.0-amd64", "image-6.12.1-rt-amd64"),
        *("modules-6.9.1-amd64", "modules-6.10.2-amd64"),
    )
    kernel = Kernel("x", r"6\.\d+\.\d+-amd64", ("image", "modules"))
    assert mirror.newest(kernel) == "6.10.2-amd64"
    with pytest.raises(packages.Unavailable, match="no package image-7"):
        mirror.newest(kernel._replace(release="7"))


def test_every_kernel_of_the_catalogue_has_its_own_name() -> None:
    assert len({kernel.name for kernel in KERNELS}) == len(KERNELS)


def test_an_outcome_is_kept_at_once_and_no_test_is_run_twice(tmp_path: Path) -> None:
    """Also not one that took the guest with it: it began, and has no end."""
    test, lines = tmp_path / "test_it.py", tmp_path / "results.jsonl"
    test.write_text(A_TEST + "def test_deadly(): raise RuntimeError('was run again')\n")
    (tmp_path / "pytest.ini").touch()
    lines.write_text(json.dumps({"test": "test_it.py::test_deadly", "outcome": "died"}) + "\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.bench.kernels.kept", str(test)]
    for _ in range(2):
        subprocess.run(
            [*command, "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini")],
            cwd=ROOT,
            env={kept.RESULTS: str(lines), "PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
    assert len(lines.read_text().splitlines()) == 1 + 2 * 3
    found = kept.read(lines)
    outcomes = {test.partition("::")[2]: line["outcome"] for test, line in found.items()}
    assert outcomes == {
        "test_deadly": "died",
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
    }
    assert found["test_it.py::test_skipped"]["why"] == "no such device"


def test_the_table_says_of_each_kernel_what_passed_what_did_not_and_what_was_not_run(
    tmp_path: Path,
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    outcomes = {
        good: {"tests/test_a.py::test_x": "passed"},
        bad: {"tests/test_b.py::test_y": "died"},
    }
    for folder, tests in outcomes.items():
        folder.mkdir()
        (folder / "about.json").write_text('{"release": "7.0", "sources": "abc"}')
        lines = [json.dumps({"test": test, "outcome": what}) for test, what in tests.items()]
        (folder / "results.jsonl").write_text("\n".join(lines))
    known = [found for folder in outcomes if (found := results.read(folder))]
    assert [each.failed for each in known] == [False, True]
    assert list(results.table(known)) == [
        "| kernel | a | b |",
        "|---|---|---|",
        "| good: 7.0 | 1 passed | not run |",
        "| bad: 7.0 | not run | 1 died |",
        "",
        "- bad, died: `test_y`: the guest did not come to the end of it",
    ]
    assert results.read(tmp_path / "none") is None
