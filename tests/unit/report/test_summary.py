"""The summary and ``why``: everything that is known, nothing that is not."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.report.records import (
    BASELINE_ONLY,
    FRAMES,
    INEXACT,
    KILLED,
    RECORD,
    RUN,
    blocked_call,
    process,
    stat,
)
from tracer.model import Loss
from tracer.profile import load, parse
from tracer.report import blocked, outcome, remedies
from tracer.report.form import Page
from tracer.report.summary import Summary
from tracer.report.why import Why

if TYPE_CHECKING:
    from tracer.model import BlockedCall, RunRecord


def _remedy(_: BlockedCall) -> str | None:
    return 'STRICT.toml:11: allow = [..., "clone"]'


ALL = pytest.mark.parametrize("record", [RECORD, KILLED, BASELINE_ONLY, INEXACT])


@ALL
def test_every_line_fits_80_columns(record: RunRecord) -> None:
    for text in (Summary(record, remedy=_remedy).text(), Why(record).text()):
        assert max(map(len, text.splitlines())) <= 80


@ALL
def test_colour_changes_nothing_but_colour(record: RunRecord) -> None:
    coloured = Summary(record, remedy=_remedy).text(Page(colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == Summary(record, remedy=_remedy).text()


def test_the_summary_of_a_good_run_says_all_that_was_asked_for() -> None:
    text = Summary(RECORD).text()
    for part in (
        "exited with status 0",
        "0123456789ab",
        "12.3 ms wall, 2.00 ms user, 3.00 ms system",
        "3.00 MiB peak",
        "1,234 minor faults, 0 major",
        "12 reads, 1 write",
        "1,042 calls, 3 errors, 1 unfinished, 0 blocked: exact",
    ):
        assert part in text
    assert text.index("getppid") < text.index("openat") < text.index("read\n")


def test_a_run_that_is_not_exact_says_at_least_and_why() -> None:
    text = " ".join(Summary(INEXACT).text().split())
    assert "at least 1,042 calls, because 3 calls were not counted" in text
    assert "1 sample of /proc came late" in text
    assert ": exact" not in text


def test_a_late_sample_leaves_the_counts_exact_and_is_said() -> None:
    late = RECORD._replace(losses=(Loss("procfs", "late_sample", 1, 5, 5),))
    text = " ".join(Summary(late).text().split())
    assert "1,042 calls, 3 errors, 1 unfinished, 0 blocked: exact" in text
    assert "missing 1 sample of /proc came late" in text


def test_a_peak_that_the_kernel_did_not_tell_leaves_the_counts_exact_and_is_said() -> None:
    run = RUN._replace(max_rss_bytes=None, peak_vm_bytes=None)
    untold = RECORD._replace(run=run, losses=(Loss("procfs", "untold_peak", 1, 5, 5),))
    text = " ".join(Summary(untold).text().split())
    assert "memory - peak (- virtual)" in text
    assert ": exact missing 1 process's peak of memory was not told, for that takes root" in text


@pytest.mark.parametrize("kind", ["lost_stacks", "lost_events"])
def test_what_is_no_count_leaves_the_counts_exact_and_is_said(kind: str) -> None:
    text = " ".join(Summary(RECORD._replace(losses=(Loss("kernel", kind, 2),))).text().split())
    assert "at least" not in text
    assert ": exact missing 2 " in text


def test_a_run_that_was_broken_off_is_not_called_exact() -> None:
    broken = RECORD._replace(losses=(Loss("store", "interrupted", 1),))
    text = " ".join(Summary(broken).text().split())
    assert "at least 1,042 calls, because 1 part of the run was not recorded" in text
    assert ": exact" not in text


def test_a_run_without_one_snapshot_has_unknown_calls_and_not_at_least_none() -> None:
    nothing = RECORD._replace(
        run=RUN._replace(total_syscalls=None), losses=(Loss("store", "interrupted", 1),)
    )
    assert "syscalls  unknown, because 1 part of the run" in Summary(nothing).text()


def test_without_ebpf_the_summary_says_what_is_missing_and_shows_no_nought_for_it() -> None:
    text = Summary(BASELINE_ONLY).text()
    assert "syscalls  unknown: eBPF needs root: run it with sudo" in text
    assert "0 blocked" not in text
    assert "memory    - peak (- virtual)" in text


def test_a_kill_names_the_call_its_action_caller_arguments_and_remedy() -> None:
    text = Summary(KILLED, remedy=_remedy).text()
    for part in (
        "killed by the seccomp filter (SIGSYS)",
        "clone (x86_64 56): the process was killed (KILL_PROCESS)",
        "CLONE_CHILD_SETTID|SIGCHLD",
        "./violate 'a b' (pid 70)",
        "_Fork+0x24 in /usr/lib/x86_64-linux-gnu/libc.so.6",
        "spawn_child+0x1f in /home/u/violate",
        'STRICT.toml:11: allow = [..., "clone"]',
    ):
        assert part in text


def test_a_kill_without_ebpf_says_that_the_call_is_unknown() -> None:
    run = BASELINE_ONLY.run._replace(outcome="blocked", exit_code=None, term_signal=31, sigsys=1)
    text = Summary(BASELINE_ONLY._replace(run=run)).text()
    assert "by SIGSYS; which call it was is unknown without eBPF" in text


def test_refusals_that_killed_nobody_take_one_line() -> None:
    calls = (
        blocked_call(action="ERRNO", errno=13, name="socket", nr=41, count=22),
        blocked_call(action="ERRNO", errno=13, name="socket", nr=41),
        blocked_call(action="LOG", name="ptrace", nr=101),
    )
    text = Summary(RECORD._replace(blocked_calls=calls)).text()
    assert "blocked   socket 23x (ERRNO EACCES): sbtrace why 0123456789ab" in text
    assert "logged    ptrace 1x (LOG)" in text


def test_more_than_ten_syscalls_are_counted_not_shown() -> None:
    stats = tuple(stat(f"call{n:02}", n, 100 - n) for n in range(13))
    text = Summary(RECORD._replace(syscalls=stats)).text()
    assert "call09" in text
    assert "call10" not in text
    assert "and 3 more syscalls: sbtrace show 0123456789ab --by syscall" in text


def test_text_of_the_target_cannot_act_on_the_terminal() -> None:
    evil = "x\x1b[2J\n\udcff"
    record = KILLED._replace(
        run=KILLED.run._replace(argv=(evil,), limit_hit=evil),
        processes=(process(1, argv=(evil,), executable=evil),),
        blocked_calls=(blocked_call(frames=(FRAMES[0]._replace(object=evil, function=evil),)),),
    )
    for text in (Summary(record, remedy=lambda _: evil).text(), Why(record).text()):
        assert "\x1b" not in text
        assert "\\x1b[2J\\n\\xff" in text
        text.encode("ascii")


def test_why_gives_every_distinct_call_with_its_whole_stack_the_deadly_first() -> None:
    calls = (
        blocked_call(action="ERRNO", errno=13, name="socket", nr=41, at_ns=1, frames=()),
        blocked_call(),
    )
    text = Why(KILLED._replace(blocked_calls=calls), remedy=_remedy).text(Page(whole=True))
    assert text.index("clone (x86_64 56)") < text.index("socket (x86_64 41): failed with EACCES")
    for frame in FRAMES:
        assert f"{frame.function}+" in text
    assert "the stack is unknown" in text
    assert text.count("allow it") == 2


def test_why_gives_one_row_a_syscall_and_the_details_only_of_what_killed() -> None:
    refused = blocked_call(action="ERRNO", errno=13, name="socket", nr=41, frames=FRAMES[2:])
    calls = (
        refused._replace(args=(2, 1, 0, 0, 0, 0), count=22),
        refused._replace(args=(10, 1, 0, 0, 0, 0), frames=FRAMES[3:]),
        blocked_call(),
    )
    text = Why(KILLED._replace(blocked_calls=calls), remedy=_remedy).text()
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "23 socket ERRNO EACCES spawn_child+0x1f in violate and 1 other place" in rows
    assert "1 clone KILL_PROCESS spawn_child+0x1f in violate" in rows
    assert "clone (x86_64 56)" in text
    assert "socket (x86_64 41)" not in text
    assert "arguments and stacks of 2 other calls:" in text


def test_a_thousand_logged_calls_are_a_screen_and_a_profile_not_a_thousand_paragraphs() -> None:
    source = 'default_action = "log"\n'
    calls = tuple(
        blocked_call(action="LOG", name=name, nr=nr, at_ns=at, args=(at, 0, 0, 0, 0, 0))
        for name, nr in (("read", 0), ("write", 1), ("close", 3))
        for at in range(400)
    )
    record = RECORD._replace(run=RUN._replace(profile_source=source), blocked_calls=calls)
    own = remedies.own_profile(record)
    assert own is not None
    text = Why(record, own=own).text()
    assert len(text.splitlines()) < 24
    assert text.endswith(own.text)
    profile = parse(own.text, own.file_name)
    for call in calls:
        assert str(profile.decide(call.abi, call.nr, call.args).action) == "allow"


def test_why_as_data_has_every_call_and_the_profile() -> None:
    record = KILLED._replace(run=KILLED.run._replace(profile_source='default_action = "trap"'))
    found = Why(record, _remedy, remedies.own_profile(record)).data()
    assert len(cast("list[object]", found["blocked_calls"])) == len(record.blocked_calls)
    own = parse(cast("str", found["allowing_profile"]), "own.toml")
    assert all(own.decide(c.abi, c.nr, c.args).action.permits for c in record.blocked_calls)


def test_a_shipped_profile_is_not_what_a_remedy_tells_to_edit() -> None:
    line = remedies.of_profile(load("STRICT"))(blocked_call(name="mkdir", nr=83))
    assert line is not None
    assert re.fullmatch(
        r'in a copy of \S+/STRICT\.toml, line \d+: allow = \[\.\.\., "mkdir"\]', line
    )


STRICT = load("STRICT")
DEADLY = KILLED._replace(
    run=KILLED.run._replace(
        argv=("nginx", "-g", "daemon off; " + 8 * "worker_processes 4; "),
        profile="STRICT",
        profile_source=STRICT.source,
        profile_path=STRICT.path,
    )
)


def test_below_the_stack_of_what_killed_stand_three_lines_and_no_profile() -> None:
    own = remedies.own_profile(DEADLY)
    assert own is not None
    text = Why(DEADLY, own=own).text()
    _, last = text.split("  allow     ")
    assert len(last.splitlines()) == 3
    assert "default_action" not in text


def test_a_command_to_be_copied_is_on_one_line_however_long() -> None:
    """Folded within quotes it would be another command."""
    text = Why(DEADLY, own=remedies.own_profile(DEADLY)).text(Page(60))
    wanted = f"sbtrace run --profile ./STRICT-nginx.toml {outcome.command(DEADLY.run.argv)}"
    assert wanted in [line.strip() for line in text.splitlines()]
    for line in text.splitlines():
        assert not line.endswith(("sbtrace", "sbtrace why")), line


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ()),
        ({"capabilities": ("CAP_CHOWN", "CAP_KILL"), "dropped_capabilities": ()}, ("keep",)),
        (
            {"capabilities": ("CAP_CHOWN",), "dropped_capabilities": ("CAP_KILL",)},
            ("CHOWN",),
        ),
    ],
)
def test_the_next_run_is_given_the_same_capabilities(
    changes: dict[str, Any], options: tuple[str, ...]
) -> None:
    run = DEADLY.run._replace(target_uid=DEADLY.run.uid, **changes)
    own = remedies.own_profile(DEADLY._replace(run=run))
    assert own is not None
    assert own.options == (("--cap", *options) if options else ())


def test_the_next_run_is_given_the_same_user() -> None:
    run = DEADLY.run._replace(uid=0, target_uid=65534)
    own = remedies.own_profile(DEADLY._replace(run=run))
    assert own is not None
    assert own.options == ("--user", "65534")


def test_a_rule_to_be_copied_keeps_its_lines() -> None:
    """As one paragraph it would be no TOML."""
    remedy = remedies.of_profile(STRICT)
    lines = Why(DEADLY, remedy=remedy).text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.strip() == "[[rule]]")
    rule = tomllib.loads("\n".join(lines[at : at + 4]))["rule"][0]
    assert (rule["syscalls"], rule["action"]) == (["clone"], "allow")


def test_of_clone3_it_is_said_that_enosys_is_enough() -> None:
    clone3 = blocked_call(name="clone3", nr=435)
    assert "ENOSYS" in (remedies.of_profile(STRICT)(clone3) or "")
    answered = remedies.of_profile(load("RESOURCE-AWARE"))(clone3) or ""
    assert answered.startswith("not needed")


def test_where_there_is_no_filter_it_is_said_how_to_get_a_profile() -> None:
    learning = load("LEARNING")
    run = RUN._replace(profile="LEARNING", profile_source=learning.source)
    text = Why(RECORD._replace(run=run)).text()
    assert "profile LEARNING has no filter" in text
    assert 'default_action = "log"' in text


def test_why_says_so_where_there_is_nothing_or_nothing_is_known() -> None:
    assert "nothing: the filter blocked no call" in Why(RECORD).text()
    assert "is unknown: eBPF needs root" in Why(BASELINE_ONLY).text()
    lost = RECORD._replace(run=RUN._replace(blocked_syscalls=7))
    assert "7 calls, of which no details are recorded" in Why(lost).text()


def test_the_programs_own_frame_is_found_by_its_executable_else_outside_libc() -> None:
    assert blocked.own_frame(FRAMES, process(1)) == FRAMES[2]
    elsewhere = process(1, executable="/bin/other")
    assert blocked.own_frame(FRAMES, elsewhere) == FRAMES[2]
    assert blocked.own_frame(FRAMES[:2], elsewhere) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"exit_code": 3}, "exited with status 3"),
        (
            {"outcome": "signaled", "exit_code": None, "term_signal": 11},
            "killed by SIGSEGV (Segmentation fault)",
        ),
        (
            {"outcome": "timed_out", "exit_code": None, "term_signal": 15},
            "stopped at its time limit",
        ),
        ({"outcome": "interrupted", "exit_code": None, "term_signal": 2}, "interrupted, killed by"),
        ({"outcome": "running", "exit_code": None}, "still running"),
    ],
)
def test_each_outcome_has_its_words(changes: dict[str, object], text: str) -> None:
    assert text in outcome.words(RUN._replace(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("uid", "said"), [(0, True), (1000, False)])
def test_root_is_said(uid: int, said: bool) -> None:
    """Whoever lets a program run as root is told so."""
    text = Summary(RECORD._replace(run=RUN._replace(target_uid=uid))).text()
    assert ("as root" in text) is said
