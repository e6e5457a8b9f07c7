"""Names and numbers of capabilities: capabilities(7), linux/capability.h.

A set of them is a mask, as the kernel's own: bit N is number N.
"""

from __future__ import annotations

NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"),
    *("SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"),
    *("IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE"),
    *("SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"),
    *("PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)
"""By number, without ``CAP_``."""


def mask_of(words: tuple[str, ...]) -> int:
    """The set of names in any case, with or without ``CAP_``. Raises KeyError for another."""
    mask = 0
    for word in words:
        try:
            mask |= 1 << NAMES.index(_short(word))
        except ValueError:
            raise KeyError(word) from None
    return mask


def names_of(mask: int) -> tuple[str, ...]:
    """``("CAP_CHOWN", …)``, by number; a number without a name is ``CAP_41``."""
    return tuple(_name(number) for number in range(mask.bit_length()) if mask >> number & 1)


def did_you_mean(word: str) -> str:
    """`` (did you mean "CHOWN"?)``, or where to find them all if no name is near."""
    import difflib

    near = difflib.get_close_matches(_short(word), NAMES, n=1)
    return f' (did you mean "{near[0]}"?)' if near else "; capabilities(7) lists them"


def _short(word: str) -> str:
    return word.strip().upper().removeprefix("CAP_")


def _name(number: int) -> str:
    return f"CAP_{NAMES[number] if number < len(NAMES) else number}"
