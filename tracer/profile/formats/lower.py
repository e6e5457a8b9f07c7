"""From a profile to the rules that libseccomp is given of it, call by call.

As ``tracer.sandbox.filter`` gives them: groups and precedence are resolved, and a rule that says
what happens anyway is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.profile.formats.policy import Call, Clause, Policy, Remarks
from tracer.profile.records import Profile

if TYPE_CHECKING:
    from typing import Any

_SAID = frozenset(
    (
        *("name", "description", "path", "source", "digest", "default_action", "abis", "any_abi"),
        *("rules", "unconditional", "conditional", "limits", "capabilities", "skipped"),
        *("extends", "knows"),
    )
)
"""Fields of a profile that an export says, or that are about its text."""

_WHY = {
    "exec_once": 'exec = "once": only sbtrace\'s launcher knows what lets its execve through',
    "unknown": 'unknown = "{}": newer calls get the default action',
}


def without_the_unsaid(profile: Profile, keeps: frozenset[str], remarks: Remarks) -> Profile:
    """The profile without what no export says, which is a loss: what is new in the language too."""
    defaults: dict[str, Any] = Profile._field_defaults
    unsaid = {name: defaults[name] for name in defaults if name not in _SAID | keeps}
    for name, default in unsaid.items():
        if getattr(profile, name) != default:
            other = f'"{name}" of a profile cannot be said in other formats: it is left out'
            remarks.loss(_WHY.get(name, other).format(getattr(profile, name)))
    return profile._replace(**unsaid)


def policy_of(profile: Profile) -> Policy:
    """The policy that a profile amounts to; a call that is answered as by default is left out."""
    names = sorted({*profile.unconditional, *profile.conditional})
    calls = [_call(profile, name) for name in names]
    return Policy(
        profile.name,
        profile.description,
        profile.default_action,
        profile.abis,
        tuple(call for call in calls if call.clauses or call.otherwise != profile.default_action),
        profile.limits,
        profile.capabilities,
    )


def _call(profile: Profile, name: str) -> Call:
    listed = profile.unconditional.get(name)
    otherwise = listed.action if listed else profile.default_action
    clauses = [
        Clause(rule.action, rule.conditions)
        for rule in profile.conditional.get(name, ())
        if rule.action != otherwise
    ]
    return Call(name, tuple(dict.fromkeys(clauses)), otherwise)
