"""`doctor` and `run` come to one verdict, by one path, whatever is hidden from both."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import NOBODY, ROOT, run

if TYPE_CHECKING:
    from tests.support import Completed, Sbtrace

pytestmark = pytest.mark.kernel

SBTRACE = str(Path(sys.executable).parent / "sbtrace")
BTF = "/sys/kernel/btf"
BCC = "/usr/lib/python3/dist-packages/bcc"
BUILT = str(ROOT / "bpf" / "built")
KEPT = "/var/cache/sbtrace"


def hiding(*folders: str) -> list[str]:
    """What starts a command for which these folders are empty."""
    hide = "".join(f"mount -t tmpfs -o mode=700 none {folder} && " for folder in folders)
    return ["unshare", "--mount", "sh", "-c", hide + 'exec "$@"', "sh"]


def doctor(sbtrace: Sbtrace, wrapper: list[str]) -> tuple[Completed, dict[str, Any]]:
    """`sbtrace doctor --json`; the checks by name."""
    done = run([*wrapper, SBTRACE, "doctor", "--json", "--db", sbtrace.db])
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["full_figures"] is (done.returncode == 0)
    return done, {check["name"]: check for check in report["checks"]}


@pytest.mark.parametrize(
    ("hidden", "full"),
    [
        ((BTF,), True),
        ((BCC, BUILT), True),
        ((BTF, KEPT), False),
        ((BCC, BUILT, KEPT), False),
    ],
    ids=["BTF", "bcc", "BTF_and_kept", "bcc_and_kept"],
)
def test_doctor_and_run_say_the_same(sbtrace: Sbtrace, hidden: tuple[str, ...], full: bool) -> None:
    """Once the program is kept, neither BTF nor bcc is needed; without it, both say which."""
    sbtrace.run("/bin/true", options=["--trace", "full"])  # now it is kept
    done, checks = doctor(sbtrace, hiding(*hidden))
    asked = run(
        [*hiding(*hidden), SBTRACE, "run", "-q", "--trace", "full", "--db", sbtrace.db, "true"]
    )
    assert (done.returncode == 0, asked.returncode == 0) == (full, full), asked.stderr
    if not full:
        assert asked.stderr == f"sbtrace: {checks['counting']['found']}\n"
        assert hidden[0].rpartition("/")[2] in asked.stderr  # the cause, and no other


def test_root_without_its_capabilities_is_told_that_and_nothing_of_a_program(
    sbtrace: Sbtrace,
) -> None:
    """Also where the program would have to be compiled: bcc calls that a fault of the program."""
    bare = ["setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon"]
    for wrapper in (bare, [*hiding(BUILT, KEPT), *bare]):
        _, checks = doctor(sbtrace, wrapper)
        assert "CAP_BPF and CAP_PERFMON" in checks["counting"]["found"]
        assert "compile" not in checks["counting"]["found"]
        assert checks["capabilities"]["ok"] is False


def test_doctor_names_what_a_run_does_not_keep_its_target_from(sbtrace: Sbtrace) -> None:
    """Without CAP_SYS_ADMIN no mounts can be made: both say so, in the same words."""
    bare = ["setpriv", "--bounding-set=-sys_admin"]
    _, checks = doctor(sbtrace, bare)
    assert checks["counting"]["ok"]
    asked = run([*bare, SBTRACE, "run", "-q", "--db", sbtrace.db, "--profile", "STRICT", "true"])
    said = f"{checks['protection']['found']}: {checks['protection']['remedy']}"
    assert f"sbtrace: {said}\n" in asked.stderr
    _, checks = doctor(sbtrace, [])
    assert checks["protection"]["ok"]


@pytest.mark.usefixtures("reach")
def test_a_closed_tracefs_is_no_matter_for_an_ordinary_users_doctor(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    """Its folder has the mode 0700: whoever looks into it is refused."""
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    folder = public_folder / "doctor"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    done = run(
        [*hiding("/sys/kernel"), *as_nobody, SBTRACE, "doctor", "--db", folder / "x.duckdb"],
        env={"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "eBPF needs root: run it with sudo" in " ".join(done.stdout.split())


def test_a_run_on_another_machine_has_the_baseline_and_says_why(sbtrace: Sbtrace) -> None:
    """`setarch` has uname(2) say so; nothing else changes."""
    output = sbtrace.folder / "run.json"
    other = ["setarch", "i686"]
    done = run([*other, SBTRACE, "run", "--db", sbtrace.db, "--json", "-o", output, "echo", "hi"])
    assert (done.returncode, done.stdout) == (0, "hi\n")
    record = json.loads(output.read_text())
    assert record["trace"] == "none"
    assert "x86_64 and aarch64, not for i686" in record["trace_missing"]
    assert record["read_syscalls"]
    _, checks = doctor(sbtrace, other)
    assert checks["counting"]["found"] == record["trace_missing"]
    asked = run([*other, SBTRACE, "run", "--trace", "full", "--db", sbtrace.db, "echo", "hi"])
    assert (asked.returncode, asked.stdout) == (125, "")
    assert asked.stderr == f"sbtrace: {record['trace_missing']}\n"
