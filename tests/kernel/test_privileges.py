"""What capabilities a target begins with, and what it can do by them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import NOBODY, run

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

NONE = ["--trace", "none"]
AWARE = ["--profile", "RESOURCE-AWARE"]
STATUS = ["cat", "/proc/self/status"]
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
LINES = (*SETS, "NoNewPrivs")
CHOWN, NET_BIND_SERVICE, SETUID = 1 << 0, 1 << 10, 1 << 7
PYTHON = "/usr/bin/python3"


def fields(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def of_target(sbtrace: Sbtrace, *options: str, **how: Any) -> dict[str, str]:
    done = sbtrace("run", "-q", *NONE, *options, *STATUS, **how)
    assert done.returncode == 0, done.stderr
    return fields(done.stdout)


def masks(found: dict[str, str]) -> dict[str, int]:
    return {name: int(found[name], 16) for name in SETS}


def the_callers(*wrapper: str) -> dict[str, str]:
    """What the same command shows that the caller starts itself, as strace would."""
    return fields(run([*wrapper, *STATUS]).stdout)


def test_a_profile_that_filters_nothing_leaves_root_what_the_caller_has(sbtrace: Sbtrace) -> None:
    """All five sets, and no no_new_privs."""
    found, expected = of_target(sbtrace), the_callers()
    assert {name: found[name] for name in LINES} == {name: expected[name] for name in LINES}


def test_a_caller_with_few_capabilities_gives_no_more(sbtrace: Sbtrace) -> None:
    few = ["setpriv", "--bounding-set", "-all,+chown,+setpcap,+setuid,+setgid", "--"]
    command = [*few, Path(sys.executable).parent / "sbtrace", "run", "-q", *NONE]
    found = fields(run([*command, "--db", sbtrace.db, *STATUS]).stdout)
    expected = the_callers(*few)
    assert {name: found[name] for name in LINES} == {name: expected[name] for name in LINES}


@pytest.mark.usefixtures("reach")
@pytest.mark.parametrize("how", ["--user", "sudo"])
def test_another_user_has_none_but_a_setuid_program_could_give_some(
    sbtrace: Sbtrace, public_folder: Path, how: str
) -> None:
    """As the user's own shell: the bounding set is whole, and there is no no_new_privs."""
    if how == "--user":
        found = of_target(sbtrace, "--user", str(NOBODY))
    else:
        folder = public_folder / "privileges-sudo"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        env = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
        found = of_target(sbtrace, "--db", str(folder / "db"), env=env)
    whole = int(the_callers()["CapBnd"], 16)
    nothing = dict.fromkeys(SETS, 0)
    assert found["Uid"].split() == [str(NOBODY)] * 4
    assert masks(found) == {**nothing, "CapBnd": whole}
    assert found["NoNewPrivs"] == "0"


@pytest.mark.parametrize("user", ["root", str(NOBODY)])
def test_cap_gives_a_target_just_what_it_names(sbtrace: Sbtrace, user: str) -> None:
    """In every set, so that an ordinary user's programs have it too, and none gets more."""
    options = ["--cap", "chown,CAP_NET_BIND_SERVICE", "--user", user]
    found = of_target(sbtrace, *AWARE, *options)
    assert masks(found) == dict.fromkeys(SETS, CHOWN | NET_BIND_SERVICE)
    assert found["NoNewPrivs"] == "1"


def test_cap_keep_leaves_all_to_root_under_a_filter(sbtrace: Sbtrace) -> None:
    """The filter itself needs no_new_privs."""
    found = of_target(sbtrace, *AWARE, "--cap", "keep")
    assert masks(found) == masks(the_callers())
    assert found["NoNewPrivs"] == "1"


def test_cap_none_takes_all_from_a_target_without_a_filter(sbtrace: Sbtrace) -> None:
    found = of_target(sbtrace, "--cap", "none")
    assert masks(found) == dict.fromkeys(SETS, 0)
    assert found["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ('["CHOWN"]', [], CHOWN),
        ('"keep"', [], None),
        ("[]", [], 0),
        ('["CHOWN"]', ["--cap", "SETUID"], SETUID),
    ],
)
def test_a_profile_says_what_its_target_keeps_and_the_command_line_comes_first(
    sbtrace: Sbtrace, tmp_path: Path, key: str, options: list[str], expected: int | None
) -> None:
    """``None``: all that the caller has."""
    profile = tmp_path / "p.toml"
    rules = 'default_action = "allow"\n[errno]\nEPERM = ["mount"]'
    profile.write_text(f"{rules}\n[privileges]\ncapabilities = {key}\n")
    found = of_target(sbtrace, "--profile", str(profile), *options)
    all_of_them = int(the_callers()["CapPrm"], 16)
    assert int(found["CapEff"], 16) == (all_of_them if expected is None else expected)


def test_what_root_needs_capabilities_for_works_without_a_filter(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """su, chown, a mount in a namespace of its own, a port below 1024."""
    (tmp_path / "file").touch()
    su = sbtrace("run", "-q", *NONE, "su", "nobody", "-s", "/bin/sh", "-c", "id -u")
    assert (su.returncode, su.stdout) == (0, f"{NOBODY}\n"), su.stderr
    assert sbtrace("run", "-q", *NONE, "chown", "1:1", tmp_path / "file").returncode == 0
    assert (tmp_path / "file").stat().st_uid == 1
    mount = ["unshare", "-m", "mount", "-t", "tmpfs", "none", tmp_path]
    assert sbtrace("run", "-q", *NONE, *mount).returncode == 0
    bind = "import socket; socket.socket().bind(('127.77.0.1', 81))"
    assert sbtrace("run", "-q", *NONE, PYTHON, "-c", bind).returncode == 0


def test_an_ordinary_user_given_a_capability_can_use_it_under_a_filter(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    file = public_folder / "given"
    file.touch()
    words = [*AWARE, "--user", str(NOBODY)]
    refused = sbtrace("run", "-q", *NONE, *words, "chown", "1:1", file)
    assert (refused.returncode, file.stat().st_uid) == (1, 0)
    done = sbtrace("run", "-q", *NONE, *words, "--cap", "CHOWN", "chown", "1:1", file)
    assert (done.returncode, file.stat().st_uid) == (0, 1), done.stderr


def test_a_setuid_program_of_an_ordinary_user_works_only_without_a_filter(
    ordinary_sbtrace: Sbtrace, public_folder: Path
) -> None:
    program = public_folder / "setuid-id-of-ordinary"
    program.write_bytes(Path("/usr/bin/id").read_bytes())
    program.chmod(0o4755)
    free = ordinary_sbtrace("run", "-q", program, "-u")
    assert (free.stdout, free.returncode) == ("0\n", 0), free.stderr
    held = ordinary_sbtrace("run", "-q", *AWARE, program, "-u")
    assert (held.stdout, held.returncode) == (f"{NOBODY}\n", 0), held.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("CHWON", '--cap: unknown capability "CHWON" (did you mean "CHOWN"?)'),
        ("xyzzy", '--cap: unknown capability "xyzzy"; capabilities(7) lists them'),
        ("keep,CHOWN", '--cap: unknown capability "keep": give names such as CHOWN,'),
        ("", '--cap: unknown capability "": give names such as CHOWN,'),
    ],
)
def test_a_wrong_name_of_a_capability_is_a_wrong_command_line(
    sbtrace: Sbtrace, words: str, says: str
) -> None:
    done = sbtrace("run", "--cap", words, "true")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert says in done.stderr


def test_a_capability_that_sbtrace_has_not_is_refused_before_anything_starts(
    ordinary_sbtrace: Sbtrace,
) -> None:
    done = ordinary_sbtrace("run", "--cap", "CHOWN,KILL", "echo", "hi")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "sbtrace: CAP_CHOWN, CAP_KILL: sbtrace has no such capability itself to give on: use sudo\n"
    )


@pytest.mark.usefixtures("reach")
def test_an_ordinary_user_with_an_ambient_capability_keeps_it_without_a_filter(
    public_folder: Path,
) -> None:
    """setpriv and systemd's AmbientCapabilities give such."""
    ambient = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]
    wrapper = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *ambient]
    expected = masks(the_callers(*wrapper))
    assert expected["CapEff"] == NET_BIND_SERVICE
    folder = public_folder / "ambient"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    command = [*wrapper, Path(sys.executable).parent / "sbtrace", "run", "-q", *NONE]
    done = run([*command, "--db", folder / "db", *STATUS])
    assert masks(fields(done.stdout)) == expected, done.stderr


def test_a_run_records_what_its_target_had_and_names_what_it_missed(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """In the record, the summary and why; the file system answers as the table says."""
    (tmp_path / "file").touch()
    command = ["chown", "1:1", str(tmp_path / "file")]
    recorded = sbtrace.run(*command, options=[*AWARE, "--cap", "KILL"])
    assert recorded.record["capabilities"] == ["CAP_KILL"]
    assert "CAP_CHOWN" in recorded.record["dropped_capabilities"]
    assert "CAP_KILL" not in recorded.record["dropped_capabilities"]
    assert recorded.record["no_new_privs"] is True
    told = sbtrace("why", recorded.record["run_id"]).stdout
    assert "fchownat failed once with EPERM: maybe because the target has no" in told
    assert "(--cap CHOWN, or --cap keep)" in told
    free = sbtrace.run("true").record
    assert free["dropped_capabilities"] == []
    assert free["no_new_privs"] is False
    assert "CAP_CHOWN" in free["capabilities"]


TRIES = """
import os, socket
for code in (
    "socket.socket().bind(('127.77.0.1', 82))",
    "os.chroot('/')",
    "os.setgroups([5])",
    "os.mknod('/tmp/sbtrace-must-not-exist', 0o20600, 259)",
    "os.setpriority(os.PRIO_PROCESS, 0, -5)",
):
    try:
        eval(code)
    except OSError:
        pass
"""
MISSED = {
    "bind failed once with EACCES": "CAP_NET_BIND_SERVICE",
    "chroot failed once with EPERM": "CAP_SYS_CHROOT",
    "setgroups failed once with EPERM": "CAP_SETGID",
    "mknodat failed once with EPERM": "CAP_MKNOD",
    "setpriority failed once with EACCES": "CAP_SYS_NICE",
}


def test_the_kernel_fails_these_calls_with_these_errors_for_want_of_a_capability(
    sbtrace: Sbtrace,
) -> None:
    """A few rows of the table, tried without capabilities."""
    assert sbtrace("run", "-q", "--cap", "none", PYTHON, "-c", TRIES).returncode == 0
    told = " ".join(sbtrace("why").stdout.split())
    for failure, capability in MISSED.items():
        assert f"{failure}: maybe because the target has no {capability} (--cap " in told
