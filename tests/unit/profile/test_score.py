"""What a profile leaves open: by the filter, and each number with what it counts."""

from __future__ import annotations

import pytest

from tracer import syscalls
from tracer.profile import parse
from tracer.profile.risks import CVES, RISKS
from tracer.profile.score import Part, Score, score
from tracer.sandbox import filter as filters
from tracer.sandbox.sources import source

# What redis-server 7.0.15 called while redis-benchmark asked it, and for a BGSAVE: by sbtrace run.
REDIS = """
    accept4 access arch_prctl bind brk clone clone3 close dup2 epoll_create epoll_ctl epoll_wait
    execve exit_group fcntl fdatasync fsync futex getcwd getpeername getpid getrandom ioctl
    listen lseek madvise mmap mprotect munmap newfstatat open openat pipe2 prctl pread64
    prlimit64 read readlink rename rseq rt_sigaction rt_sigprocmask sched_getaffinity
    set_robust_list set_tid_address setitimer setsockopt socket sysinfo umask wait4 write
"""
# What Confine takes Docker's default to refuse: filterProfileToCve.py, defaultSeccompList.
OF_DOCKER = """
    acct add_key bpf clock_adjtime clock_settime clone create_module delete_module finit_module
    get_kernel_syms get_mempolicy init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl
    lookup_dcookie mbind mount move_pages name_to_handle_at nfsservctl open_by_handle_at
    perf_event_open personality pivot_root process_vm_readv process_vm_writev ptrace
    query_module quotactl reboot request_key set_mempolicy setns settimeofday swapon swapoff
    sysfs _sysctl umount2 unshare uselib userfaultfd ustat
"""


def scored(text: str) -> Score:
    return score([filters.compile(parse(text, "own.toml")).program()])


def quoted(names: str) -> str:
    return ", ".join(f'"{name}"' for name in names.split())


def of_class(found: Score, name: str) -> Part:
    return next(part for risk, part in found.classes if risk.name == name)


def test_of_29_cves_an_allow_list_of_the_52_calls_of_redis_closes_21() -> None:
    """setsockopt leaves five open, madvise two, epoll_ctl one."""
    assert len(REDIS.split()) == 52
    found = scored(f'default_action = "errno:EPERM"\nallow = [{quoted(REDIS)}]')
    assert (len(CVES), len(found.cves.closed)) == (29, 21)


def test_of_29_cves_dockers_default_closes_10() -> None:
    found = scored(f'default_action = "allow"\n[errno]\nEPERM = [{quoted(OF_DOCKER)}]')
    assert len(found.cves.closed) == 10


def test_every_class_has_a_source_and_calls_that_exist() -> None:
    for risk in RISKS:
        assert risk.sources
        assert all(syscalls.abis_with(each.name) for each in risk.tries)
    assert all(syscalls.abis_with(name) for calls in CVES.values() for name in calls.split())


@pytest.mark.parametrize("abi", ["x86_64", "arm64"])
def test_no_class_is_empty_on_a_machine(abi: str) -> None:
    here = syscalls.names(abi)
    empty = [risk.name for risk in RISKS if not any(each.name in here for each in risk.tries)]
    assert empty == ([] if abi == "x86_64" else ["ports and devices"])


def test_without_a_filter_everything_is_open() -> None:
    found = score([])
    assert not any(part.closed for _, part in found.classes)
    assert (found.cves.closed, found.calls.closed, found.unnamed) == ((), (), "allow")
    assert [each.open == each.total for each in found.foreign] == [True, True]


def test_arguments_are_looked_at_where_they_make_the_danger() -> None:
    """A thread is no namespace, and a socket of AF_INET no raw one."""
    found = scored(
        """default_action = "errno:EPERM"
[[rule]]
syscalls = ["clone"]
action = "allow"
args = ["arg0 & 0x7e020000 == 0"]
[[rule]]
syscalls = ["socket"]
action = "allow"
args = ["arg0 & 0xffffffff == 2", "arg1 & 0xf == 1"]
"""
    )
    assert of_class(found, "user namespaces").open == ()
    assert of_class(found, "network").open == ("socket(AF_INET, SOCK_STREAM)",)
    assert of_class(found, "raw and rare sockets").open == ()
    assert found.calls.partly == ("clone", "socket")


def test_strict_leaves_nothing_open_that_changes_the_machine() -> None:
    found = score(source("STRICT").filters)
    open_ = {risk.name for risk, part in found.classes if part.open or part.partly}
    assert open_ == {"code that is made", "other programs"}
    assert found.unnamed == "kill_process"
