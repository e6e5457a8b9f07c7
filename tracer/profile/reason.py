"""Why a profile does with a call what it does: the entry that decides, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.profile.spoken import spoken

if TYPE_CHECKING:
    from tracer.profile.calls import Call
    from tracer.profile.records import Decision, Profile, Rule


class Reason(NamedTuple):
    """The decision about one call, in words."""

    action: str
    """As a profile writes it."""
    line: int | None
    """The line of the profile that the entry stands in; None where no entry decides."""
    words: str
    """Which entry decides, and why that one."""


def reason(profile: Profile, call: Call) -> Reason:
    """Why the profile does with ``call`` what it does."""
    decision = profile.decide(call.abi, call.nr, call.args)
    line = decision.rule.line if decision.rule else None
    return Reason(str(decision.action), line, _words(profile, call, decision))


def by_arguments(profile: Profile, call: Call) -> tuple[Reason, ...]:
    """Each ``[[rule]]`` that may decide about the call, by its arguments; in order."""
    return tuple(
        Reason(*found)
        for found in dict.fromkeys(
            (str(rule.action), rule.line, _held(profile, call.name, rule) + _of(rule))
            for rule in profile.conditional.get(call.name, ())
        )
    )


def _words(profile: Profile, call: Call, decision: Decision) -> str:
    rule = decision.rule
    if decision.foreign_abi:
        return f"it comes through {call.abi}, and abis has only {', '.join(profile.abis)}"
    if decision.by_exec:
        return 'exec = "once" refuses every execve after the one that starts the command'
    if decision.is_newer:
        version = "{}.{}".format(*profile.knows)
        return f"no entry covers it, and Linux {version} has no such call, so it is unknown"
    if rule is None:
        return "no entry covers it, so it is the default_action"
    if rule.conditions:
        return f"a [[rule]] holds: {_held(profile, call.name, rule)}{_of(rule)}"
    beside = ", as no [[rule]] of it holds" if call.name in profile.conditional else ""
    return f"{_entry(rule)}{beside}{_of(rule)}"


def _held(profile: Profile, name: str, rule: Rule) -> str:
    """What must hold, as the profile writes it, or in words where it writes numbers."""
    return " and ".join(rule.written or spoken(name, rule.conditions, profile.abis))


def _of(rule: Rule) -> str:
    """Where the line is, if not in the profile itself."""
    return f", in {rule.path}" if rule.path else ""


def _entry(rule: Rule) -> str:
    place = f"[errno] {rule.action.errno}" if rule.action.errno else str(rule.action)
    what = f"its group {rule.entry}" if rule.is_group else "it"
    return f"{what} is listed under {place}"
