"""Arguments of the calls whose danger is in them: each distinct combination is recorded once."""

from __future__ import annotations

import fcntl
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tracer.collectors.kernel import wire

if TYPE_CHECKING:
    from tests.support import Programs, Recorded, Sbtrace

pytestmark = pytest.mark.kernel
PR_GET_DUMPABLE, SO_KEEPALIVE = 3, 9
PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE = 1, 2, 0x20, 0x8000
FORKED = 0x01200011  # CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD: glibc's fork
REQUESTS, FIRST, GARBAGE = 71, 0x7000, 0x123400000000  # of tests/programs/arguments.c
ALL = """
    SELECT pid, name, combination,
        map_from_entries(list((argument, value) ORDER BY argument)) AS args
    FROM arguments GROUP BY ALL
"""


def ways(sbtrace: Sbtrace, name: str) -> list[dict[int, int]]:
    rows = sbtrace.sql(f"FROM ({ALL}) WHERE name = '{name}' AND combination IS NOT NULL")
    return [row["args"] for row in rows]


def test_each_distinct_combination_of_arguments_is_recorded_once(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    """Whole registers, of calls that fail too, and of every process."""
    sbtrace.run(programs["arguments"])
    unix = {0: int(socket.AF_UNIX), 1: int(socket.SOCK_STREAM), 2: 0}
    cloexec = int(socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    inet = {0: int(socket.AF_INET), 1: cloexec, 2: 0}
    assert sorted(map(str, ways(sbtrace, "socket"))) == sorted(map(str, (unix, inet)))
    assert ways(sbtrace, "prctl") == [{0: PR_GET_DUMPABLE | GARBAGE}]
    assert ways(sbtrace, "kill") == [{1: 0}]
    assert ways(sbtrace, "personality") == [{0: 0xFFFFFFFF}]
    assert ways(sbtrace, "setsockopt") == [{1: int(socket.SOL_SOCKET), 2: SO_KEEPALIVE}]
    assert ways(sbtrace, "clone") == [{0: FORKED}]
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE
    assert ways(sbtrace, "mmap").count({2: PROT_READ, 3: flags}) == 1
    (child,) = sbtrace.sql(f"FROM ({ALL}) WHERE name = 'fcntl'")
    assert child["args"] == {1: fcntl.F_GETFD}
    assert child["pid"] != sbtrace.sql("SELECT min(pid) AS pid FROM processes")[0]["pid"]


def test_more_combinations_than_are_kept_are_said_and_take_no_count_away(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    """The first ones are there, and a row without any; the run is exact."""
    done = sbtrace.run(programs["arguments"])
    kept = sorted(each[1] for each in ways(sbtrace, "ioctl"))
    assert wire.MOST_COMBINATIONS < REQUESTS
    assert kept == [FIRST + number for number in range(wire.MOST_COMBINATIONS)]
    over = sbtrace.sql("FROM arguments WHERE combination IS NULL")
    assert [(row["name"], row["argument"], row["value"]) for row in over] == [("ioctl", None, None)]
    assert done.record["exact"] is True
    assert done.record["losses"] == []


def test_a_profile_learned_from_values_refuses_others_of_the_same_call(sbtrace: Sbtrace) -> None:
    recorded: Recorded = sbtrace.run("python3", "-c", "import socket; socket.socket(1, 1)")
    assert recorded.process.returncode == 0
    text = sbtrace("profile", "learn", "--default", "kill_process").stdout
    own = sbtrace.folder / "own.toml"
    own.write_text(text)
    for family, action in (("AF_UNIX", "allow"), ("AF_INET", "kill_process")):
        asked = sbtrace("profile", "explain", "--json", own, f"socket({family}, SOCK_STREAM, 0)")
        assert json.loads(asked.stdout)["action"] == action
