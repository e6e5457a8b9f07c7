"""The line of a profile that would allow a blocked call, as the reports want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.errors import ProfileError

if TYPE_CHECKING:
    from tracer.model import BlockedCall, Run
    from tracer.profile import Profile
    from tracer.report.blocked import Remedy


def of_profile(profile: Profile) -> Remedy:
    """Explains calls by a profile, for instance the one that a run has just used."""
    from tracer.profile import remedy

    def explain(call: BlockedCall) -> str | None:
        found = remedy(profile, call.abi, call.nr, call.args)
        if found is None:
            return None
        return (
            f"{found}, or only calls like this: {found.narrower}" if found.narrower else f"{found}"
        )

    return explain


def of_run(run: Run) -> Remedy:
    """Explains calls by the profile as it was when the run was recorded.

    A profile that this version of sbtrace cannot read any more explains nothing: None.
    """
    from tracer.profile import parse

    try:
        return of_profile(parse(run.profile_source, run.profile_path))
    except ProfileError:
        return lambda _: None
