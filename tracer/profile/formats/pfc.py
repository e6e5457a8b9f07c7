"""The listing of a filter by libseccomp, to be read by people: pseudo filter code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.errors import ProfileError
from tracer.profile.formats.interface import Format, Source

if TYPE_CHECKING:
    from tracer.profile.formats.policy import Remarks


def write(source: Source, remarks: Remarks) -> bytes:
    """The listing. Raises ProfileError where the profile needs no filter."""
    listing = source.compiled().listing()
    if not listing:
        raise ProfileError(f"{source.policy.name} restricts nothing, so it has no filter to list")
    if source.policy.limits or source.policy.capabilities is not None:
        remarks.note("a listing of the filter alone, without limits and capabilities")
    return listing


FORMAT = Format("pfc", "the listing of libseccomp, for reading", write, None, lambda *_: False)
