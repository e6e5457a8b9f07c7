"""Errors that a right taken from the target may explain are named with what would give it."""

from __future__ import annotations

import errno

import pytest

from tests.unit.report.records import RUN
from tracer import capabilities, syscalls
from tracer.model import RunRecord, SyscallError
from tracer.report import rights
from tracer.report.form import Page
from tracer.report.summary import Summary
from tracer.report.why import Why

N_CHOWN, N_BIND, N_OPEN = 3, 1, 2
ALL = capabilities.names_of((1 << 41) - 1)


def failed(name: str, number: int, times: int, blocked: int = 0) -> SyscallError:
    nr = syscalls.number("x86_64", name) or 0
    error = (number, errno.errorcode[number], times, blocked)
    return SyscallError(1, 7, 0, 1, 7, "x86_64", nr, name, *error)


def record(
    *errors: SyscallError,
    dropped: tuple[str, ...] | None = ALL,
    nnp: bool | None = True,
    uid: int = 0,
) -> RunRecord:
    run = RUN._replace(target_uid=uid, dropped_capabilities=dropped, no_new_privs=nnp)
    return RunRecord(run=run, syscall_errors=errors)


def said(*errors: SyscallError, **of_run: object) -> list[str]:
    found = record(*errors, **of_run)  # type: ignore[arg-type]
    return [rights.words(denial, found.run) for denial in rights.denials(found)]


CHOWN = failed("chown", errno.EPERM, N_CHOWN)
BIND = failed("bind", errno.EACCES, N_BIND)


def test_a_call_that_a_dropped_capability_explains_is_named_with_the_option_that_gives_it() -> None:
    chown, bind = said(CHOWN, BIND)
    assert chown == (
        "chown failed 3 times with EPERM: maybe because the target has no CAP_CHOWN"
        " (--cap CHOWN, or --cap keep)"
    )
    assert bind == (
        "bind failed once with EACCES: maybe because the target has no CAP_NET_BIND_SERVICE"
        " (--cap NET_BIND_SERVICE, or --cap keep)"
    )


def test_a_target_that_is_not_root_may_be_made_root() -> None:
    """To keep what its user has would give it nothing."""
    assert said(CHOWN, uid=1000)[0].endswith("(--cap CHOWN, or --user root)")


def test_the_most_particular_capabilities_come_first_and_two_are_enough() -> None:
    (text,) = said(failed("openat", errno.EACCES, N_OPEN))
    assert "no CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE (--cap DAC_READ_SEARCH,DAC_OV" in text
    (text,) = said(failed("ioctl", errno.EPERM, N_OPEN))
    assert text.count("CAP_") == 2


def test_rows_of_several_threads_are_one() -> None:
    assert said(CHOWN, CHOWN._replace(tid=8))[0].startswith("chown failed 6 times")


@pytest.mark.parametrize(
    ("error", "dropped"),
    [
        (CHOWN, ()),
        (CHOWN, None),
        (CHOWN, ("CAP_KILL",)),
        (failed("chown", errno.ENOENT, N_CHOWN), ALL),
        (failed("getppid", errno.EPERM, N_CHOWN), ALL),
        (failed("chown", errno.EPERM, 0, blocked=N_CHOWN), ALL),
    ],
    ids=["nothing dropped", "not known", "another dropped", "another error", "none", "filter's"],
)
def test_what_nothing_taken_explains_is_not_spoken_of(
    error: SyscallError, dropped: tuple[str, ...] | None
) -> None:
    """The user's own lack of a right is no doing of sbtrace; what the filter refused is said."""
    assert said(error, dropped=dropped) == []


def test_a_setuid_program_that_had_no_effect_is_named() -> None:
    """Of an ordinary user, who lost no capability."""
    setuid = failed("setresuid", errno.EPERM, 1)
    (text,) = said(setuid, dropped=())
    assert text == (
        "setresuid failed once with EPERM: maybe because setuid programs give no rights here"
        " (no_new_privs, which a filter needs)"
    )
    assert said(setuid, dropped=(), nnp=False) == []
    assert said(setuid, dropped=(), nnp=None) == []


def test_the_summary_and_why_say_it() -> None:
    found = record(CHOWN, BIND)
    for text in (Summary(found).text(Page(300)), Why(found).text(Page(300))):
        assert "\n  denied    chown failed 3 times with EPERM: maybe because" in text
        assert "\n            bind failed once with EACCES: maybe because" in text
    (first, second) = Why(found).data()["denials"]  # type: ignore[misc]
    assert first == {
        "syscall": "chown",
        "errno_name": "EPERM",
        "failed": N_CHOWN,
        "capabilities": ("CAP_CHOWN",),
        "no_new_privs": False,
    }
    assert second["syscall"] == "bind"


def test_the_summary_names_the_most_frequent_and_says_where_the_rest_is() -> None:
    calls = ("chown", "fchown", "mount", "chroot", "acct", "reboot", "mknod")
    many = record(*(failed(name, errno.EPERM, n + 1) for n, name in enumerate(calls)))
    text = Summary(many).text(Page(300))
    assert "denied    mknod failed 7 times" in text
    assert f"\n            2 more: sbtrace why {RUN.run_id}\n" in text
    assert "fchown failed" not in text
    assert "fchown failed" in Why(many).text(Page(300))


def test_every_name_of_the_table_exists() -> None:
    """A capability or a call that is misspelt would never be found."""
    for table in rights._NEEDS.values():
        for cap, calls in table.items():
            assert cap in capabilities.NAMES
            for name in calls.split():
                assert syscalls.number("x86_64", name) is not None, name
