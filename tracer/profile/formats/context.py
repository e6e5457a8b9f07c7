"""What an import depends on beside its file: the machine, and what is said of the program."""

from __future__ import annotations

from tracer import capabilities, syscalls
from tracer.errors import UsageError
from tracer.profile.formats.interface import Context, running_kernel

DOCKER = capabilities.mask_of(
    (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"),
        *("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
)
"""Those of a container that Docker starts with no ``--cap-add`` and ``--cap-drop``."""


def context(path: str, words: tuple[str, ...]) -> Context:
    """The context of this machine. ``words``: names, joined by commas, or ``docker``.

    Raises UsageError for a capability that does not exist.
    """
    mask = 0
    for word in (part for text in words for part in text.split(",") if part):
        try:
            mask |= DOCKER if word == "docker" else capabilities.mask_of((word,))
        except KeyError:
            hint = capabilities.did_you_mean(word)
            raise UsageError(f'--cap: unknown capability "{word}"{hint}') from None
    names = frozenset(capabilities.names_of(mask))
    return Context(path, names, syscalls.native_abi(), running_kernel())
