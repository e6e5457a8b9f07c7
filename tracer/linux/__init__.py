"""The few system interfaces that Python does not wrap, by ctypes. It knows nothing of sbtrace."""

from tracer.linux.files import fsuid, set_fsgid, set_fsuid
from tracer.linux.libc import error_of, syscall
from tracer.linux.namespaces import mount, setns, unshare
from tracer.linux.process import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_NAME,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    close_on_exec_from,
    keep_heap,
    limit_bounding_set,
    prctl,
    ptrace,
    raise_ambient,
    set_capabilities,
    set_name,
)
from tracer.linux.signals import signalfd

__all__ = [
    "PR_CAPBSET_DROP",
    "PR_CAPBSET_READ",
    "PR_CAP_AMBIENT",
    "PR_CAP_AMBIENT_CLEAR_ALL",
    "PR_CAP_AMBIENT_RAISE",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_DUMPABLE",
    "PR_SET_KEEPCAPS",
    "PR_SET_NAME",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_PDEATHSIG",
    "close_on_exec_from",
    "error_of",
    "fsuid",
    "keep_heap",
    "limit_bounding_set",
    "mount",
    "prctl",
    "ptrace",
    "raise_ambient",
    "set_capabilities",
    "set_fsgid",
    "set_fsuid",
    "set_name",
    "setns",
    "signalfd",
    "syscall",
    "unshare",
]
