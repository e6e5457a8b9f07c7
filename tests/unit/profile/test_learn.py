"""The tightest profile that covers recorded runs, as entries and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import parse
from tracer.profile.deciding import WHOLE
from tracer.profile.learn import Learned, Tightness, Use, Way, learn
from tracer.profile.learned_file import Sources
from tracer.profile.learned_file import text as file_text
from tracer.profile.unseen import CONTAINER, RUNTIME, START

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
    return file_text(found, sources, "demo", "kill_process")


def profile(*uses: Use, only_seen: bool = False, exact: bool = False) -> Profile:
    return parse(text(learn(uses, RUNS, Tightness(only_seen, exact))), "demo.toml")


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


def test_a_profile_that_a_running_program_goes_over_to_starts_no_command() -> None:
    found = learn([use("exit_group")], RUNS, Tightness(while_running=True))
    added = {entry.name for entry in found.unseen}
    assert not added & {"execve", "openat2", "statx"}
    assert {"rt_sigreturn", "restart_syscall"} <= added


def test_what_no_run_shows_is_added_with_its_reason() -> None:
    found = learn([use("exit_group")], RUNS)
    added = {entry.name: entry.comment for entry in found.unseen}
    expected = {each.name: each.reason for each in (*START, *RUNTIME, *CONTAINER)}
    del expected["exit_group"]
    assert added == {name: why for name, why in expected.items() if name in syscalls.names(NATIVE)}
    assert learn([use("exit_group")], RUNS, Tightness(only_seen=True)).unseen == ()


def test_a_call_that_was_refused_with_several_errors_gets_the_one_that_came_most_often() -> None:
    """Whole or by its values; the entry names the others."""
    whole = use("mount", calls=0, errnos=("EACCES", "EPERM"))
    found = learn([whole], RUNS, Tightness(only_seen=True))
    assert [(e.action, e.comment) for e in found.entries] == [
        ("errno:EACCES", "3 of 3: demo; refused most often so, and with EPERM")
    ]
    netlink, unix = ((0, 16), (1, 3), (2, 0)), ((0, 1), (1, 1), (2, 0))
    ways = (
        Way(netlink, frozenset(RUNS[:2]), "EACCES"),
        Way(netlink, frozenset(RUNS[2:]), "EPERM"),
        Way(unix, frozenset(RUNS[:1]), "EPERM"),
        Way(unix, frozenset(RUNS[1:])),
    )
    sockets = use("socket", errnos=("EACCES", "EPERM"), ways=ways, unknown=None)
    found = learn([sockets], RUNS, Tightness(only_seen=True))
    assert [(e.action, len(e.ways), e.runs) for e in found.entries] == [
        ("allow", 1, (2,)),
        ("errno:EACCES", 1, (2,)),
    ]
    assert found.entries[1].comment.endswith("; refused most often so, and with EPERM")
    made = profile(sockets, only_seen=True)
    assert action(made, "socket", 16, 3) == "errno:EACCES"
    assert action(made, "socket", 1, 1) == "allow"
    assert action(made, "socket", 2, 1) == "kill_process"


def test_calls_of_a_foreign_abi_are_allowed_there_and_named_as_an_obstacle() -> None:
    foreign = syscalls.FOREIGN_ABIS[NATIVE][-1]
    nr = syscalls.number(foreign, "read") or 0
    found = learn([use("read")._replace(abi=foreign, nr=nr)], RUNS, Tightness(only_seen=True))
    assert found.abis == (foreign,)
    made = parse(text(found), "demo.toml")
    assert str(made.decide(foreign, nr).action) == "allow"
    assert any(f"{foreign} was used, too" in each for each in found.obstacles)


GLIBC_THREAD, GO_THREAD, CHILD = 0x3D0F00, 0xD0F00, 0x01200011


def added(*uses: Use, **how: bool) -> dict[str, str]:
    found = learn(uses, RUNS, Tightness(**how)).unseen
    plain = {each.name for each in (*START, *RUNTIME, *CONTAINER)}
    return {entry.name: entry.comment for entry in found if entry.name not in plain}


def cloning(flags: int) -> Use:
    return use("clone", ways=(Way(((0, flags),), frozenset(RUNS)),), unknown=None)


def test_what_threads_do_only_where_they_meet_is_added_with_the_source() -> None:
    found = added(cloning(GLIBC_THREAD))
    assert set(found) == {"futex", "sched_yield", "madvise", "munmap", "mprotect"}
    assert "HotSpot" in found["sched_yield"]
    assert added(cloning(GLIBC_THREAD), only_seen=True) == {}
    assert set(added(cloning(CHILD))) == {"wait4"}
    assert added(use("futex")) == {}
    unsure = added(use("clone3"), use("futex"), use("munmap"))  # posix_spawn makes clone3, too
    assert set(unsure) == {"clone", "sched_yield", "madvise", "mprotect", "wait4"}
    assert set(added(use("clone3"))) == {"clone", "wait4"}
    assert set(added(use("vfork"))) == {"wait4"}


def test_a_go_program_is_known_by_its_threads_and_may_preempt_them() -> None:
    found = added(cloning(GO_THREAD))
    assert {"tgkill", "getpid", "gettid", "nanosleep", "sched_yield"} <= set(found)
    assert "signalM" in found["tgkill"]
    assert "tgkill" not in added(cloning(GLIBC_THREAD))


def test_what_is_there_is_not_added_and_what_was_refused_stays_refused() -> None:
    yielding = use("sched_yield", calls=0, errnos=("EPERM",))
    found = added(cloning(GLIBC_THREAD), use("madvise"), yielding)
    assert set(found) == {"futex", "munmap", "mprotect"}


def test_of_mprotect_the_one_way_that_heaps_need_is_added() -> None:
    """PROT_READ alone was seen; PROT_EXEC never."""
    read_only = use("mprotect", ways=(Way(((2, 1),), frozenset(RUNS)),), unknown=None)
    made = profile(cloning(GLIBC_THREAD), read_only)
    assert action(made, "mprotect", 0, 4096, 3) == "allow"
    assert action(made, "mprotect", 0, 4096, 7) == "kill_process"
    exact = profile(cloning(GLIBC_THREAD), read_only, exact=True)
    assert action(exact, "mprotect", 0, 4096, 3) == "allow"
    assert action(exact, "mprotect", 0, 4096, 2) == "kill_process"
    written = read_only._replace(ways=(Way(((2, 3),), frozenset(RUNS)),))
    assert "mprotect" not in added(cloning(GLIBC_THREAD), written)


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
    assert "refused, with a signal" in text(found)
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


AF_UNIX, AF_INET, AF_NETLINK, STREAM, RAW, CLOEXEC = 1, 2, 16, 1, 3, 0o2000000


def way(*values: int, runs: int = len(RUNS), errno: str | None = None) -> Way:
    return Way(tuple(enumerate(values)), frozenset(RUNS[:runs]), errno)


def test_a_socket_is_allowed_by_the_values_that_were_used_together() -> None:
    """Not by any family with any type; whether it is closed on execve is no danger."""
    found = profile(
        use(
            "socket",
            ways=(way(AF_UNIX, STREAM | CLOEXEC, 0), way(AF_NETLINK, RAW, 15)),
            unknown=None,
        )
    )
    assert action(found, "socket", AF_UNIX, STREAM, 0) == "allow"
    assert action(found, "socket", AF_NETLINK, RAW | CLOEXEC, 15) == "allow"
    assert action(found, "socket", AF_UNIX, RAW, 15) == "kill_process"
    assert action(found, "socket", AF_INET, STREAM, 0) == "kill_process"
    assert action(found, "socket", AF_UNIX | 1 << 32, STREAM, 0) == "allow"


def test_of_mmap_and_clone_only_the_dangerous_bits_count_unless_exact_is_asked_for() -> None:
    read_only = Way(((2, 1), (3, 2)), frozenset(RUNS))
    made = use("mmap", ways=(read_only,), unknown=None)
    for exact, flags, expected in ((False, 0x22, "allow"), (True, 0x22, "kill_process")):
        found = profile(made, exact=exact)
        assert action(found, "mmap", 0, 0, 1, 2) == "allow"
        assert action(found, "mmap", 0, 0, 5, 2) == "kill_process"
        assert action(found, "mmap", 0, 0, 1, flags) == expected


def test_where_not_all_values_are_known_the_call_is_allowed_whole_and_that_is_said() -> None:
    why = "its arguments are not recorded in 1 run"
    found = learn([use("ioctl", ways=(way(0, 1),), unknown=why)], RUNS)
    assert found.obstacles[0] == f"ioctl is allowed whole: {why}"
    assert action(parse(text(found), ""), "ioctl", 0, 99) == "allow"


def test_more_ways_than_a_filter_has_room_for_are_allowed_whole() -> None:
    many = tuple(Way(((1, request),), frozenset(RUNS)) for request in range(49))
    found = learn([use("ioctl", ways=many, unknown=None)], RUNS)
    assert "more than 48 ways" in found.obstacles[0]
    assert action(parse(text(found), ""), "ioctl", 0, 99) == "allow"


def test_a_value_that_filters_refused_gets_its_error_again_beside_those_allowed() -> None:
    found = profile(
        use(
            "socket",
            ways=(way(AF_UNIX, STREAM, 0), way(AF_INET, STREAM, 0, errno="EACCES")),
            unknown=None,
        )
    )
    assert action(found, "socket", AF_UNIX, STREAM, 0) == "allow"
    assert action(found, "socket", AF_INET, STREAM, 0) == "errno:EACCES"
    assert action(found, "socket", AF_NETLINK, STREAM, 0) == "kill_process"


def test_a_value_that_one_run_alone_used_is_marked() -> None:
    ways = (way(0, runs=1), way(1))
    found = learn([use("unshare", ways=ways, unknown=None)], RUNS)
    assert f'["arg0 & {WHOLE:#x} == 0x0"], # ONCE: 1 of 3\n' in text(found)


def test_clone_keeps_the_plain_one_that_libc_takes_for_clone3() -> None:
    """Although the runs themselves used it for a namespace alone."""
    made = use("clone", ways=(way(NAMESPACES | 17),), unknown=None)
    found = profile(made, use("clone3"))
    assert action(found, "clone", 0x11) == "allow"
    assert action(found, "clone", NAMESPACES) == "allow"
    assert action(found, "clone", NAMESPACES << 1) == "kill_process"
