"""A Landlock domain for the target, in which its signals stay (landlock(7)).

Whoever sbtrace runs as the same user could stop and kill all of its processes, and live on. The
kernel's own answer that needs no rights is a domain with LANDLOCK_SCOPE_SIGNAL: a process in it
may signal only what is in it too, by kill, tgkill, pidfd_send_signal and fcntl's F_SETOWN alike.
It may trace nobody outside either. Children are born into it, and nothing leads out.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from tracer import linux

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""Of every architecture: they are younger than the common numbers."""
_CREATE_RULESET_VERSION = 1
_SCOPE_SIGNAL = 2
_FIRST_WITH_SCOPES = 6
"""ABI of Linux 6.12."""


_ATTRIBUTES = struct.pack("=QQQ", 0, 0, _SCOPE_SIGNAL)
"""struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped."""


def can_scope_signals() -> bool:
    """Whether the kernel has Landlock, switched on, and new enough."""
    with suppress(OSError):
        version = linux.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
        return version >= _FIRST_WITH_SCOPES
    return False


def scope_signals() -> bool:
    """Put the calling thread into a new domain, for good; False if the kernel has none to give.

    The thread must have no_new_privs, or CAP_SYS_ADMIN.
    """
    if not can_scope_signals():
        return False
    with suppress(OSError):  # a filter of our own caller's; 16 domains within each other
        ruleset = linux.syscall(_CREATE_RULESET, _ATTRIBUTES, len(_ATTRIBUTES), 0)
        try:
            linux.syscall(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)
        return True
    return False
