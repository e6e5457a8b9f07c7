"""``sbtrace risk``: of each program the classes that it shows, none missed, none without cause."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.symbols.support import compile_c

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
WEB_SERVER = """
import http.server, threading, urllib.request

server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.handle_request).start()
urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()
"""
DEED = "{deed}"
"""Stands for the program of ``activity.c``."""


@pytest.fixture(scope="session")
def deed(public_folder: Path) -> Path:
    return compile_c(
        public_folder / "activity", "-O0", source=Path(__file__).with_name("activity.c")
    )


def found(sbtrace: Sbtrace, *options: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(sbtrace("risk", "--json", *options).stdout)
    return {each["class"]: each for each in answer["classes"] if each["found"]}


@pytest.mark.parametrize(
    ("command", "classes"),
    [
        ((DEED, "nothing"), []),
        ((DEED, "loop"), []),
        (("sh", "-c", "ls > /dev/null; :"), ["new programs"]),
        ((DEED, "setuid"), ["privileges"]),
        ((DEED, "securebits"), ["privileges"]),
        ((DEED, "no_new_privs"), []),
        ((DEED, "module"), ["modules and kernel images"]),
        ((DEED, "mount"), ["mounts"]),
        ((DEED, "namespace"), ["namespaces"]),
        ((DEED, "unshare_files"), []),
        ((DEED, "packets"), ["raw and packet sockets"]),
        ((DEED, "raw_ip"), ["raw and packet sockets", "network"]),
        ((DEED, "netlink"), []),
        ((DEED, "alg"), ["rare sockets"]),
        ((DEED, "tcp"), ["network"]),
        ((DEED, "keyring"), ["keyrings"]),
        ((DEED, "bpf"), ["bpf"]),
        ((DEED, "perf"), ["perf"]),
        ((DEED, "io_uring"), ["io_uring"]),
        ((DEED, "jit"), ["executable memory"]),
        ((DEED, "writable_code"), ["executable memory"]),
        ((DEED, "fixed_addresses"), ["no address randomisation"]),
        ((DEED, "which_personality"), []),
        ((DEED, "trace_me"), ["tracing of others"]),
        ((sys.executable, "-c", WEB_SERVER), ["network"]),
        (("strace", "-o", "/dev/null", "true"), ["tracing of others", "new programs"]),
        (("unshare", "-Urm", "true"), ["mounts", "namespaces", "new programs"]),
        (("setarch", "-R", "true"), ["new programs", "no address randomisation"]),
    ],
    ids=lambda each: " ".join(each[:2]).replace(DEED, "deed") if isinstance(each, tuple) else None,
)
def test_a_program_shows_the_classes_of_its_deeds_and_no_other(
    sbtrace: Sbtrace, deed: Path, command: tuple[str, ...], classes: list[str]
) -> None:
    words = [str(deed) if word == DEED else word for word in command]
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not here")
    sbtrace.run(*words)
    shown = found(sbtrace)
    assert list(shown) == classes
    for name, each in shown.items():
        assert each["evidence"], name
        assert each["profile_entries"], name
        assert all(evidence["by"]["path"] for evidence in each["evidence"])
    text = sbtrace("risk").stdout
    assert f": {len(classes)} of 23 classes of activity found" in text.splitlines()[0]


def test_a_deed_that_a_filter_blocked_is_found_and_is_gone_under_the_entry_that_is_named(
    sbtrace: Sbtrace, deed: Path, tmp_path: Path
) -> None:
    """What ``risk`` says takes a class away does so: by a call, and by a call's arguments."""
    for name, class_ in (("mount", "mounts"), ("packets", "raw and packet sockets")):
        sbtrace.run(str(deed), name)
        (entry,) = found(sbtrace)[class_]["profile_entries"]
        profile = tmp_path / f"{name}.toml"
        profile.write_text(f'default_action = "allow"\n{entry}')
        sbtrace("run", "--profile", profile, "--", deed, name)
        (evidence,) = found(sbtrace)[class_]["evidence"]
        assert (evidence["calls"], evidence["blocked"]) == (0, 1)
        answer = json.loads(sbtrace("risk", "--json", "--profile", profile).stdout)
        open_calls = {each["class"]: each["open"] for each in answer["classes"]}[class_]
        assert name != "packets" or not any("AF_PACKET" in call for call in open_calls)
        assert "umount2" not in open_calls


def test_what_the_last_run_did_for_the_first_time_is_said(sbtrace: Sbtrace, deed: Path) -> None:
    first = "for the first time"
    for name, told in (
        ("nothing", "not known: no earlier run"),
        ("nothing", "nothing: 1 earlier run did all of it"),
        ("keyring", "not in any of 2 earlier runs: keyctl by"),
    ):
        sbtrace.run(str(deed), name)
        text = " ".join(sbtrace("risk").stdout.split())
        assert f"{first} {told}" in text


def test_runs_together_say_in_how_many_of_them(sbtrace: Sbtrace, deed: Path) -> None:
    for name in ("keyring", "nothing", "keyring"):
        sbtrace.run(str(deed), name)
    (evidence,) = found(sbtrace, "--command", "activity")["keyrings"]["evidence"]
    assert (evidence["calls"], evidence["runs"]) == (2, 2)
    assert "in 2 of 3 runs" in " ".join(sbtrace("risk", "--command", "activity").stdout.split())
