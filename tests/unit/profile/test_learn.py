"""The tightest profile that covers recorded runs, as entries and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import parse
from tracer.profile.learn import Learned, Sources, Use, learn, toml_text
from tracer.profile.unseen import CONTAINER, RUNTIME

if TYPE_CHECKING:
    from tracer.profile.records import Profile

NATIVE = syscalls.native_abi()
RUNS = ("a" * 12, "b" * 12, "c" * 12)
SOURCES = Sources(RUNS, "demo -x", "2026-01-02", (), "sbtrace 1")
NAMESPACES = 0x10000000  # CLONE_NEWUSER


def use(name: str, runs: int = len(RUNS), calls: int = 7, **changes: object) -> Use:
    made = Use(
        abi=NATIVE,
        nr=syscalls.number(NATIVE, name) or 0,
        name=name,
        runs=frozenset(RUNS[:runs]),
        calls=calls,
        programs=("demo",),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


def text(found: Learned, sources: Sources = SOURCES) -> str:
    return toml_text(found, sources, "demo", "kill_process")


def profile(*uses: Use, only_seen: bool = False) -> Profile:
    return parse(text(learn(uses, RUNS, only_seen=only_seen)), "demo.toml")


def action(found: Profile, name: str, *args: int) -> str:
    registers = (*args, *[0] * (6 - len(args)))
    return str(found.decide(NATIVE, syscalls.number(NATIVE, name) or 0, registers).action)


def test_what_a_run_called_is_allowed_and_nothing_else() -> None:
    found = profile(use("read"), use("futex", runs=1), only_seen=True)
    allowed = {name for name in syscalls.names(NATIVE) if action(found, name) == "allow"}
    assert allowed == {"read", "futex"}


def test_each_entry_says_in_how_many_runs_and_by_which_program() -> None:
    """What one run alone needed is marked; many programs are cut to three."""
    many = ("a", "b", "c", "d", "e")
    found = learn([use("read", programs=many), use("pause", runs=1)], RUNS)
    comments = {entry.name: entry.comment for entry in found.entries}
    assert comments == {"pause": "ONCE: 1 of 3: demo", "read": "3 of 3: a, b, c and 2 more"}


def test_what_no_run_shows_is_added_with_its_reason() -> None:
    found = learn([use("exit_group")], RUNS)
    added = {entry.name: entry.comment for entry in found.unseen}
    expected = {each.name: each.reason for each in (*RUNTIME, *CONTAINER)}
    del expected["exit_group"]
    assert added == {name: why for name, why in expected.items() if name in syscalls.names(NATIVE)}
    assert learn([use("exit_group")], RUNS, only_seen=True).unseen == ()


def test_clone3_is_answered_with_enosys_and_clone_allowed_without_namespaces() -> None:
    found = profile(use("clone3"))
    assert action(found, "clone3") == "errno:ENOSYS"
    assert action(found, "clone", 0x11) == "allow"
    assert action(found, "clone", NAMESPACES) == "kill_process"


def test_what_filters_always_answered_with_an_error_gets_that_error_again() -> None:
    """The program went on with it; what was refused by a signal is allowed, and said."""
    found = learn(
        [
            use("socket", calls=0, errnos=("EACCES", "EPERM")),
            use("mount", calls=0, deadly=True),
            use("getpid", calls=1, errnos=("EPERM",)),
        ],
        RUNS,
    )
    actions = {entry.name: entry.action for entry in found.entries}
    assert actions == {"getpid": "allow", "mount": "allow", "socket": "errno:EACCES"}
    assert "refused, with a signal" in (found.of("mount") or found.entries[0]).comment
    assert action(parse(text(found), ""), "socket") == "errno:EACCES"


def test_a_name_that_the_target_chose_stays_within_its_comment() -> None:
    rude = 'x"\n[privileges]\ncapabilities = "keep"\x1b[2J\u202e\udcff'
    sources = SOURCES._replace(command=rude)
    found = learn([use("read", programs=(rude,)), use("clone3", programs=(rude,))], RUNS)
    assert parse(text(found, sources), "").capabilities is None


def test_another_abi_is_listed_beside_the_native_one() -> None:
    if NATIVE != "x86_64":
        return
    found = profile(use("read"), use("getpid", abi="i386", nr=20))
    assert found.abis == ("x86_64", "i386")
    assert str(found.decide("i386", 20).action) == "allow"


def test_capabilities_are_those_that_the_runs_had() -> None:
    found = learn([use("read")], RUNS)
    assert parse(text(found), "").capabilities is None
    assert parse(text(found, SOURCES._replace(capabilities=None)), "").capabilities == "keep"
    assert parse(text(found, SOURCES._replace(capabilities=("CHOWN",))), "").capabilities == 1
