"""What ``risk`` shows: evidence, what takes it away, what is new, and nothing without cause."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.analysis.test_risk import APP, NATIVE, SOURCE, acted, made, nr, way
from tracer.analysis.risk import find, leave_open
from tracer.query.activity import Acted, Blocked, New, Program
from tracer.report.form import Page
from tracer.report.risk import OpenReport, RiskReport

EVIL = Program("/srv/\x1b[2Jx", 70, 5)


def report(runs: Acted, new: New | None = None) -> RiskReport:
    return RiskReport(runs, find(runs), new)


def text(runs: Acted, new: New | None = None, *, whole: bool = False) -> str:
    shown = report(runs, new).text(Page(whole=whole))
    assert "\x1b" not in shown
    return " ".join(shown.split())


def test_the_first_line_counts_classes_and_each_has_its_evidence_and_remedies() -> None:
    runs = acted(made=(made("mount", 3, 1, EVIL),), ways=(way("socket", {0: 17, 1: 3, 2: 0}),))
    shown = text(runs)
    assert "2 of 23 classes of activity found" in shown
    assert "mounts mount, 3 calls, 1 failed, 1 blocked, by /srv/" in shown
    assert 'profile: [errno] EPERM = ["mount"]; without CAP_SYS_ADMIN, CAP_SYS_CHROOT;' in shown
    assert "socket(domain AF_PACKET, type SOCK_RAW, protocol 0), by /srv/app (pid 70" in shown
    assert 'args = ["socket.domain == AF_PACKET"]' in shown
    assert "not found privileges, modules and kernel images, namespaces" in shown


def test_nothing_is_found_in_a_run_that_did_nothing() -> None:
    assert "0 of 23 classes of activity found" in text(acted())


def test_much_evidence_is_cut_and_whole_where_it_is_asked_for() -> None:
    programs = [Program(f"/bin/p{at}", 70 + at, at) for at in range(6)]
    runs = acted(made=tuple(made("bpf", program=program) for program in programs))
    assert "and 3 more: --all shows them" in text(runs)
    whole = text(runs, whole=True)
    assert "/bin/p5" in whole
    assert "programs in the kernel, and a verifier that has had many faults (systemd" in whole


def test_what_is_not_known_is_said_and_counted() -> None:
    runs = acted(made=(made("clone3"),))
    shown = text(runs)
    assert "0 of 23 classes of activity found, 1 not known" in shown
    assert "not known namespaces: clone3" in shown
    lost = SOURCE._replace(counted=False)
    every = text(acted(sources=(lost,)))
    assert every.count("1 run is without counts of eBPF") == 1
    assert "23 not known" in every


def test_blocked_calls_lead_to_where_in_the_code_they_came_from() -> None:
    call = Blocked(
        *(NATIVE, nr("getpid"), "getpid", APP, (0,) * 6, "ERRNO", 1, 4, 1, 100, "b" * 12)
    )
    shown = text(acted(blocked=(call,)))
    assert "blocked by a filter getpid(): errno:EPERM, 4 times, by /srv/app" in shown
    assert f"`sbtrace why {'b' * 12}`" in shown


def test_what_the_last_run_did_first_has_its_measure() -> None:
    first = "for the first time"
    assert f"{first} not known: the last run has no counts" in text(acted())
    assert f"{first} not known: no earlier run" in text(acted(), New(0, (), ()))
    assert f"{first} nothing: 4 earlier runs did all" in text(acted(), New(4, (), ()))
    new = New(4, ((NATIVE, "keyctl", EVIL),), (Program("/bin/sh", 1, 2),))
    assert "not in any of 4 earlier runs: /bin/sh was executed; keyctl by /srv/" in text(
        acted(), new
    )
    assert "not in the one earlier run" in text(acted(), new._replace(before=1))


def test_as_data_every_class_is_there() -> None:
    runs = acted(made=(made("mount"), made("clone3")))
    plain: Any = json.loads(json.dumps(report(runs, New(1, (), ())).data()))
    classes = {each["class"]: each for each in plain["classes"]}
    assert len(classes) == 23
    assert plain["found"] == 1
    assert [classes[name]["found"] for name in ("mounts", "namespaces", "bpf")] == [
        True,
        None,
        False,
    ]
    (evidence,) = classes["mounts"]["evidence"]
    assert evidence["by"] == {"path": "/srv/app", "pid": 70, "start_ns": 5}
    assert classes["mounts"]["profile_entries"] == ['[errno]\nEPERM = ["mount"]\n']


def test_a_profile_is_shown_by_what_it_leaves_open() -> None:
    found = OpenReport("p\x1b", leave_open(()))
    shown = found.text()
    assert "\x1b" not in shown
    assert "23 of 23 classes of activity are open" in shown
    assert "unshare(flags CLONE_NEWUSER)" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    plain: Any = json.loads(json.dumps(found.data()))
    assert plain["open"] == 23


def test_an_execve_that_succeeded_is_told_by_the_program_that_it_started() -> None:
    sh, ls = Program("/bin/sh", 70, 1), Program("/bin/ls", 71, 2)
    runs = acted(
        made=(
            made("execve", 1, program=ls)._replace(errors=0),
            made("execve", 6, program=sh)._replace(errors=6),
            made("execve", 9, program=APP)._replace(errors=7),
        )
    )
    shown = text(runs)
    assert "new programs /bin/ls (pid 71, from 2 ns on) was executed 1 time" in shown
    assert "execve, 6 calls, 6 failed, by /bin/sh (pid 70" in shown
    assert "/srv/app (pid 70, from 5 ns on) was executed 2 times; it failed 7 times itself" in shown
