"""What ``doctor`` found: plain records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["required", "wanted", "info"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """None: it could not be tried here, ``found`` says why."""
    level: Level
    """``required``: it was tried as a run does it, and decides; ``wanted``: something is worse
    without it, or it may be why what is required fails; ``info``: for whoever reads a report of
    a fault."""
    found: str
    """What there is, in words."""
    remedy: str | None = None
    """What to do about it; None where all is well or nothing helps."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """All checks, in the order in which they are shown."""

    checks: tuple[Check, ...]

    @property
    def full_figures(self) -> bool:
        """Whether ``run`` gives full figures here: nothing required is missing or untried."""
        return all(check.ok for check in self.checks if check.level == "required")
