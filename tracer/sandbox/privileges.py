"""What the target may keep of the capabilities that sbtrace's caller has: capabilities(7)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer import capabilities, linux
from tracer.errors import UsageError, UserError

if TYPE_CHECKING:
    from tracer.profile import Profile
    from tracer.profile.privileges import Capabilities
    from tracer.sandbox.user import TargetUser

_ASKED_FORM = "give names such as CHOWN,NET_BIND_SERVICE, or keep or none alone"


class Privileges(NamedTuple):
    """How the launcher is to change its own, and what the target begins with by that."""

    held: int | None
    """What it is to have and can never get more of; None: what its user has with the caller."""
    no_new_privs: bool
    """Whether the launcher is to set it: prctl(2)."""
    begins_with: int
    """The permitted set of the command once it is executed."""
    loses: int
    """What sbtrace's caller has and the command then has not."""
    no_new_privs_then: bool
    """Whether the command is under it, be it by the caller."""

    def before_identity(self, *, changes: bool) -> None:
        """The first part, before the change of user if there is one. Raises OSError."""
        if self.held is not None:
            linux.limit_bounding_set(self.held)
            if changes and self.held:
                linux.prctl(linux.PR_SET_KEEPCAPS, 1)

    def after_identity(self, *, changes: bool) -> None:
        """The second part. Raises OSError."""
        if self.held is not None:
            linux.set_capabilities(self.held)
            linux.raise_ambient(self.held)
        elif changes:
            linux.set_capabilities(0)  # what the caller's securebits may have left another user
        if self.no_new_privs:
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)


def asked_for(words: tuple[str, ...] | None) -> Capabilities | None:
    """What ``--cap`` means; None if it was not given. Raises UsageError."""
    if words is None:
        return None
    names = [name for word in words for name in word.split(",")]
    if names in (["keep"], ["none"]):
        return "keep" if names == ["keep"] else 0
    for name in names:
        try:
            capabilities.mask_of((name,))
        except KeyError:
            whole = name.strip() and name not in ("keep", "none")
            hint = capabilities.did_you_mean(name) if whole else f": {_ASKED_FORM}"
            raise UsageError(f'--cap: unknown capability "{name}"{hint}') from None
    return capabilities.mask_of(tuple(names))


def privileges(profile: Profile, asked: Capabilities | None, user: TargetUser) -> Privileges:
    """What a target under ``profile`` gets; ``asked``, of the command line, comes first.

    A profile that filters nothing leaves all as it is, as strace would: nothing is dropped,
    and setuid programs work. One that filters grants nothing of itself, and its filter needs
    no_new_privs: seccomp(2). Raises UserError for a capability that sbtrace has not itself.
    """
    own = _Own.read()
    wanted = asked if asked is not None else profile.capabilities
    if wanted is None:
        wanted = 0 if profile.restricts else "keep"
    if wanted != "keep":
        _require(wanted & ~own.permitted)
    no_new_privs = profile.restricts or wanted != "keep"
    own = own._replace(no_new_privs=own.no_new_privs or no_new_privs)
    begins_with = own.after_exec(user) if wanted == "keep" else wanted
    return Privileges(
        held=None if wanted == "keep" else wanted,
        no_new_privs=no_new_privs,
        begins_with=begins_with,
        loses=own.permitted & ~begins_with,
        no_new_privs_then=own.no_new_privs,
    )


def _require(missing: int) -> None:
    if missing:
        names = ", ".join(capabilities.names_of(missing))
        raise UserError(f"{names}: sbtrace has no such capability itself to give on: use sudo")


class _Own(NamedTuple):
    """The calling process's own, by /proc/self/status: proc_pid_status(5)."""

    inheritable: int
    permitted: int
    bounding: int
    ambient: int
    no_new_privs: bool

    @classmethod
    def read(cls) -> _Own:
        text = Path("/proc/self/status").read_text(errors="replace")
        lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        inheritable, permitted, bounding, ambient = (
            int(lines.get(f"Cap{name}", "0"), 16) for name in ("Inh", "Prm", "Bnd", "Amb")
        )
        no_new_privs = lines.get("NoNewPrivs", "0").strip() == "1"
        return cls(inheritable, permitted, bounding, ambient, no_new_privs)

    def after_exec(self, user: TargetUser) -> int:
        """The permitted set of a program without set-user-ID, if nothing is dropped before it."""
        if user.uid == 0:
            gained = self.inheritable | self.bounding
            return gained & self.permitted if self.no_new_privs else gained
        return 0 if user.changes else self.ambient
