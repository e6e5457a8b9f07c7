"""Profiles as data: find, parse, check, decide and explain. Pure: nothing is loaded here."""

from __future__ import annotations

from tracer.profile.check import Finding, check
from tracer.profile.explain import Remedy, remedy
from tracer.profile.locate import Available, available, load
from tracer.profile.parse import parse
from tracer.profile.records import (
    Action,
    Condition,
    Decision,
    Limits,
    Profile,
    Rule,
    Skipped,
)

__all__ = [
    "Action",
    "Available",
    "Condition",
    "Decision",
    "Finding",
    "Limits",
    "Profile",
    "Remedy",
    "Rule",
    "Skipped",
    "available",
    "check",
    "load",
    "parse",
    "remedy",
]
