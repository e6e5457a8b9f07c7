"""What would allow the blocked calls of a run: a line for each, and a profile for all of them."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import NothingToAllow, ProfileError

if TYPE_CHECKING:
    from tracer.model import Run, RunRecord
    from tracer.profile import Profile
    from tracer.report.blocked import RemedyOf

_CLONE3 = (
    "by an ENOSYS, after which libc takes clone, whose flags a rule can look at (those of clone3 "
    "are in memory): sbtrace why --toml does both"
)
_CLONE3_MISSING = "not needed: after ENOSYS libc takes clone, whose flags a rule can look at"
_NAME_CHARACTERS = 64
"""What profile/parse.py takes of a name."""


class OwnProfile(NamedTuple):
    """A profile for a file of the user's own, under which a run's blocked calls are allowed."""

    file_name: str
    """What to call the file, such as ``STRICT-git.toml``."""
    text: str
    """TOML, whole."""
    options: tuple[str, ...] = ()
    """What else ``sbtrace run`` has to be given to run the command with the same rights."""


def of_profile(profile: Profile) -> RemedyOf:
    """Explains calls by a profile, for instance the one that a run has just used."""
    return lambda call: of_call(profile, call.abi, call.nr, call.args)


def of_call(profile: Profile, abi: str, nr: int, args: tuple[int, ...] | None = None) -> str | None:
    """The line of a profile that would allow a call; None if it is allowed already.

    ``args``: the six registers. Where none are given, no rule for calls like it is offered.
    """
    from tracer.profile import remedy
    from tracer.resources import profiles_dir

    found = remedy(profile, abi, nr, args or (0,) * 6)
    if found is None:
        return None
    if syscalls.name(syscalls.abi_of(abi, nr), nr) == "clone3":
        missing = profile.decide(abi, nr).action.errno == "ENOSYS"
        return _CLONE3_MISSING if missing else _CLONE3
    # What is shipped is not the user's to edit: the next version would undo it.
    shipped = PurePath(profile.path).parent == profiles_dir()
    where = "in a copy of " if shipped else "in "
    line = f"{where}{found.path}, line {found.line}: {found.change}"
    rule = found.narrower if args else None
    return line + (f", or only calls like this:\n{rule}" if rule else "")


def of_run(run: Run) -> RemedyOf:
    """Explains calls by the profile as it was when the run was recorded.

    A profile that this version of sbtrace cannot read any more explains nothing: None.
    """
    profile = profile_of(run)
    return of_profile(profile) if profile else lambda _: None


def own_profile(record: RunRecord) -> OwnProfile | None:
    """The run's profile with what it takes to allow every call that it refused or logged.

    None if there is none such, or no details of it, or the profile cannot be read any more.
    """
    from tracer.profile.permit import permitting

    profile = profile_of(record.run)
    if profile is None:
        return None
    name = _name(profile.name, record.run)
    calls = [(call.abi, call.nr, call.args) for call in record.blocked_calls]
    text = permitting(profile, calls, name)
    return OwnProfile(f"{name}.toml", text, _rights(profile, record.run)) if text else None


def _rights(profile: Profile, run: Run) -> tuple[str, ...]:
    """``--cap`` and ``--user`` as the run had them, where the profile does not say so."""
    found: list[str] = []
    if run.capabilities and profile.capabilities is None:
        names = ",".join(name.removeprefix("CAP_") for name in run.capabilities)
        found += ["--cap", names if run.dropped_capabilities else "keep"]
    if run.target_uid != run.uid:
        found += ["--user", str(run.target_uid)]
    return tuple(found)


def filters(run: Run) -> bool:
    """Whether the run's profile loaded a filter; True if it cannot be read any more."""
    profile = profile_of(run)
    return profile is None or profile.restricts


def profile_of(run: Run) -> Profile | None:
    """The profile of a run, as it was then; None if this version cannot read it any more."""
    from tracer.profile import parse

    try:
        return parse(run.profile_source, run.profile_path)
    except ProfileError:
        return None


def _name(profile: str, run: Run) -> str:
    """``STRICT-git``: the name of the profile, and of the command that the new one is for."""
    command = re.sub(r"[^A-Za-z0-9._-]", "_", os.path.basename(run.argv[0])) if run.argv else ""  # noqa: PTH119 - may be no path at all
    if not command or profile.endswith(f"-{command}"):
        return profile
    return f"{profile}-{command}"[:_NAME_CHARACTERS]


def required(own: OwnProfile | None, run: Run) -> OwnProfile:
    """``own``. Raises NothingToAllow where there is none."""
    if own is None:
        raise NothingToAllow(
            f"run {run.run_id} has no blocked call that profile {run.profile} could allow: "
            f"`sbtrace why {run.run_id}` says what is known"
        )
    return own
