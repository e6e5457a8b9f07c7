"""Every mistake of a command line is found before anything is started."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any

import pytest

from tracer.cli.order import Asked, Order
from tracer.errors import CommandNotFound, ProfileError, SbtraceError, UsageError
from tracer.session import request as module
from tracer.session.request import MAX_INTERVAL_MS, MIN_INTERVAL_MS, Plan, Request, plan

if TYPE_CHECKING:
    from pathlib import Path

WALL = 7.0


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBTRACE_DB", str(tmp_path / "runs.duckdb"))


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """One of its own, which filters nothing and has every limit."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "MINE"\ndescription = "x"\ndefault_action = "allow"\nabis = ["any"]\n'
        f"[limits]\nwall_seconds = {WALL:g}\ncpu_seconds = 11\nopen_files = 13\nprocesses = 17\n"
    )
    return path


def planned(**how: Any) -> Plan:
    return plan(Request(**{"command": ("true",), **how}))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"command": ()}, UsageError, "no command given"),
        ({"interval_ms": MIN_INTERVAL_MS - 1}, UsageError, "--interval 9"),
        ({"interval_ms": MAX_INTERVAL_MS + 1}, UsageError, "--interval 60001"),
        ({"timeout_s": 0.0}, UsageError, "--timeout 0"),
        ({"timeout_s": -1.0}, UsageError, "--timeout -1"),
        ({"timeout_s": float("inf")}, UsageError, "--timeout inf"),
        ({"timeout_s": float("nan")}, UsageError, "--timeout nan"),
        ({"command": ("no-such-command",)}, CommandNotFound, "no-such-command"),
        ({"profile": "NO-SUCH"}, ProfileError, "NO-SUCH"),
    ],
)
def test_a_mistake_is_named(how: dict[str, Any], error: type[SbtraceError], message: str) -> None:
    with pytest.raises(error, match=message):
        planned(**how)


@pytest.mark.parametrize("interval_ms", [MIN_INTERVAL_MS, MAX_INTERVAL_MS])
def test_the_ends_of_the_range_are_in_it(interval_ms: int) -> None:
    assert planned(interval_ms=interval_ms).request.interval_ms == interval_ms


@pytest.mark.parametrize(
    ("asked", "found", "is_limit"),
    [(None, WALL, True), (WALL + 1, WALL, True), (WALL - 1, WALL - 1, False), (WALL, WALL, False)],
)
def test_the_nearer_end_counts(
    profile: Path, asked: float | None, found: float, is_limit: bool
) -> None:
    got = planned(profile=str(profile), timeout_s=asked)
    assert (got.timeout_s, got.timeout_is_limit) == (found, is_limit)


def test_without_either_there_is_no_end() -> None:
    got = planned()
    assert (got.timeout_s, got.timeout_is_limit) == (None, False)


def test_limits_are_those_that_setrlimit_holds(profile: Path) -> None:
    """The number of processes is not among them: that holds the whole target otherwise."""
    limits = dict(planned(profile=str(profile)).target.launch.limits)
    assert limits == {resource.RLIMIT_CPU: 11, resource.RLIMIT_NOFILE: 13}


def test_a_profile_that_refuses_execve_can_start_nothing(tmp_path: Path) -> None:
    text = 'name = "X"\ndescription = "x"\ndefault_action = "kill_process"\nallow = [{}]\n'
    path = tmp_path / "x.toml"
    path.write_text(text.format('"read"'))
    with pytest.raises(ProfileError, match="execve is refused"):
        planned(profile=str(path))
    path.write_text(text.format('"execve"'))
    assert planned(profile=str(path)).target.launch.load_filter is not None


def test_a_profile_that_restricts_nothing_has_no_filter() -> None:
    assert planned().target.launch.load_filter is None


def test_the_command_is_resolved_and_its_words_are_kept() -> None:
    got = planned(command=("sh", "-c", "x"))
    assert got.target.launch.file.endswith("/sh")
    assert got.target.launch.argv == ("sh", "-c", "x")
    assert (got.host, got.kernel) == (os.uname().nodename, os.uname().release)


def test_another_users_environment_names_that_user(monkeypatch: pytest.MonkeyPatch) -> None:
    other = planned(user=None).target.launch.user._replace(
        changes=True, name="her", home="/home/her"
    )
    for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("USER", "caller")
    found = module._environment(other)
    assert (found["USER"], found["LOGNAME"], found["HOME"]) == ("her", "her", "/home/her")
    assert not [name for name in found if name.startswith("SUDO_")]
    nameless = module._environment(other._replace(name=None, home=None))
    assert nameless["USER"] == "caller"
    same = module._environment(other._replace(changes=False))
    assert (same["USER"], same["SUDO_UID"]) == ("caller", "1")


def test_a_folder_that_is_gone_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert module._cwd() == str(folder)
    folder.rmdir()
    assert module._cwd() == ""


def test_the_interval_of_samples_is_in_nanoseconds() -> None:
    assert Request(("true",), interval_ms=23).interval_ns == 23_000_000


def test_what_the_front_hands_over_has_the_fields_of_a_request() -> None:
    """It cannot import them: the supervisor does that meanwhile."""
    assert set(Asked.__annotations__) == set(Request._fields)
    order = Order({"command": ("ls", "\udcff"), "tags": {"a": "b"}}, None, False, True, False)
    assert Order.parse(order.dump()) == order
