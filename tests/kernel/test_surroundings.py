"""sbtrace in odd places: it works, or says precisely what is not there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.cgroups import HIDDEN
from tests.support import NOBODY, ROOT, run, skip

if TYPE_CHECKING:
    from tests.support import Completed, Sbtrace

pytestmark = pytest.mark.kernel

SBTRACE = str(Path(sys.executable).parent / "sbtrace")


def within(
    sbtrace: Sbtrace, wrapper: list[str], *words: str | Path
) -> tuple[Completed, dict[str, object]]:
    """`sbtrace run --json WORDS` started by ``wrapper``; the record."""
    output = sbtrace.folder / "within.json"
    done = run(
        [*wrapper, SBTRACE, "run", "--json", "-o", output, "--db", sbtrace.db, *words],
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    written = output.read_text() if output.exists() else ""
    return done, json.loads(written) if written else {}


@pytest.mark.parametrize(
    "wrapper",
    [
        ["unshare", "--pid", "--fork", "--mount-proc"],
        ["unshare", "--net"],
        ["unshare", "--ipc", "--uts"],
        ["unshare", "--cgroup"],
        ["setsid", "-w"],
        ["nice", "-n", "19"],
        ["env", "-i"],
    ],
    ids=lambda wrapper: "_".join(wrapper[:2]),
)
def test_all_figures_are_had_in(sbtrace: Sbtrace, wrapper: list[str]) -> None:
    done, record = within(sbtrace, wrapper, "--trace", "full", "/bin/echo", "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr
    assert record["exact"] is True
    assert record["total_syscalls"]


def test_no_tracefs_is_needed(sbtrace: Sbtrace) -> None:
    hide = 'mount -t tmpfs none /sys/kernel && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    done, record = within(sbtrace, wrapper, "--trace", "full", "/bin/echo", "hi")
    # BTF lies in /sys/kernel too, and without it a reason is given instead of figures
    assert done.returncode == 125 or record["total_syscalls"]
    if done.returncode:
        assert "BTF" in done.stderr or "btf" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_hidden_tracefs_alone_changes_nothing(sbtrace: Sbtrace) -> None:
    places = [p for p in ("/sys/kernel/tracing", "/sys/kernel/debug") if Path(p).is_dir()]
    hide = "".join(f"mount -t tmpfs none {place} && " for place in places) + 'exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    done, record = within(sbtrace, wrapper, "--trace", "full", "/bin/echo", "hi")
    assert done.returncode == 0, done.stderr
    assert record["exact"] is True


@pytest.mark.parametrize("profile", ["STRICT", "RESOURCE-AWARE"])
def test_no_cgroup_hierarchy_is_needed_for_another_user_than_root(
    sbtrace: Sbtrace, profile: str
) -> None:
    done, _ = within(
        sbtrace, HIDDEN, "--trace", "none", "--user", "nobody", "--profile", profile, "true"
    )
    assert done.returncode == 0, done.stderr


def test_root_without_a_pids_cgroup_is_told_that_it_cannot_be_bounded(sbtrace: Sbtrace) -> None:
    done, _ = within(sbtrace, HIDDEN, "--profile", "RESOURCE-AWARE", "echo", "hi")
    assert (done.returncode, done.stdout) == (125, "")
    assert "pids" in done.stderr.splitlines()[-1]


def test_a_small_memlock_limit_changes_nothing(sbtrace: Sbtrace) -> None:
    wrapper = ["prlimit", "--memlock=0:0"]
    done, record = within(sbtrace, wrapper, "--trace", "full", "/bin/echo", "hi")
    assert done.returncode == 0, done.stderr
    assert record["exact"] is True


@pytest.mark.parametrize("most", [12, 16, 64])
def test_a_small_limit_on_descriptors_is_the_targets_and_no_hindrance(
    sbtrace: Sbtrace, most: int
) -> None:
    wrapper = ["prlimit", f"--nofile={most}:4096"]
    done, record = within(sbtrace, wrapper, "--trace", "full", "sh", "-c", "ulimit -n")
    assert (done.returncode, done.stdout) == (0, f"{most}\n"), done.stderr
    assert record["exact"] is True
    assert sbtrace.sql("SELECT count(*) AS n FROM runs") == [{"n": 1}]


@pytest.mark.parametrize("most", [8, 12, 16, 24])
def test_too_few_descriptors_are_said_in_one_line(sbtrace: Sbtrace, most: int) -> None:
    wrapper = ["prlimit", f"--nofile={most}:{most}"]
    done, _ = within(sbtrace, wrapper, "--trace", "none", "/bin/echo", "hi")
    # root may raise its limit where it has CAP_SYS_RESOURCE, and then there is nothing to say
    assert (done.returncode, done.stdout) in [(0, "hi\n"), (125, "")]
    assert len(done.stderr.splitlines()) <= 1, done.stderr


def test_sbtrace_runs_within_sbtrace(sbtrace: Sbtrace, tmp_path: Path) -> None:
    inner = ["/bin/echo", "hi"]
    recorded = sbtrace.run(
        SBTRACE, "run", "-q", "--trace", "none", "--db", tmp_path / "inner.db", *inner
    )
    assert recorded.process.stdout == "hi\n"
    assert recorded.record["exact"] is True
    # An inner sbtrace that has no capability left says so if it is asked for more.
    full = [SBTRACE, "run", "--trace", "full", "--db", tmp_path / "inner.db", *inner]
    asked = sbtrace.run(*full, options=["--cap", "none"])
    assert asked.process.returncode == 125
    assert asked.process.stdout == ""


@pytest.mark.usefixtures("reach")
def test_root_of_a_user_namespace_gets_its_run_or_one_line(public_folder: Path) -> None:
    folder = public_folder / "userns"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Ur"]
    if run([*wrapper, "true"]).returncode != 0:
        skip("the kernel makes no user namespace here, as in a chroot")
    done = run(
        [*wrapper, SBTRACE, "run", "-q", "--db", folder / "db", "/bin/echo", "hi"],
        env={"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        assert (done.returncode, done.stdout) == (125, "")
        assert len(done.stderr.splitlines()) == 1
    else:
        assert done.stdout == "hi\n"


VERBS = [["run", "true"], ["runs"], ["why"], ["query", "SELECT 1"], ["db", "info"], ["doctor"]]


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_who_called_sudo_must_be_able_to_read_sbtrace(words: list[str], tmp_path: Path) -> None:
    """As after `sudo -i`, in a checkout within root's home: one line, and nothing is started."""
    checkout = tmp_path / "roots" / "checkout"  # pytest's own folders have the mode 0700
    checkout.mkdir(parents=True)
    python = checkout / Path(sys.executable).relative_to(ROOT)
    enter = f'mount --bind "{ROOT}" "{checkout}" && exec "$@"'
    done = run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh"),
            *(python, "-m", "tracer.cli.main", *words),
        ],
        env={"SUDO_UID": "4321", "SUDO_GID": "4321", "PYTHONPATH": str(checkout)},
        cwd=Path("/"),
    )
    assert (done.returncode, done.stdout) == (125, "")
    (line,) = done.stderr.splitlines()
    assert "may not read sbtrace there: install it where everybody may" in line
