"""A profile of somebody's own: a copy of another that lets some more calls through.

The copy extends what the profile extends, and is as tight as the language allows: a call that is
told apart by an argument gets a ``[[rule]]``.
"""

from __future__ import annotations

import copy
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import layers, toml
from tracer.profile.conditions import parse_alternative
from tracer.profile.explain import remedy
from tracer.profile.lines import Lines
from tracer.profile.parse import parse
from tracer.profile.records import ACTION_KINDS, ALLOW, FULL_MASK, MULTIPLEXED, Profile, demultiplex
from tracer.profile.rewrite import rewritten
from tracer.profile.where import Where
from tracer.profile.wording import Context

if TYPE_CHECKING:
    from collections.abc import Iterable

    Call = tuple[str, int, tuple[int, ...]]
    """ABI, number, and the six argument registers."""

_HELD = "\0"
"""Under this key: the end of the profile's source, with what it extends."""
_MOST_RULES = 8
"""A call that was made in more ways than these is allowed whole."""


def permitting(profile: Profile, calls: Iterable[Call], name: str) -> str | None:
    """The text of a profile ``name`` that is ``profile`` and allows each of ``calls``.

    It is valid as it stands. ``clone3`` is not allowed but answered with ENOSYS, upon which libc
    takes ``clone``. None if ``profile`` allows them all as it is, or none can be written: a
    profile with i386 cannot refuse ``socket`` by its arguments.
    """
    given = [call for call in dict.fromkeys(calls) if profile.decide(*call).action != ALLOW]
    given += _start(profile) if given else []
    wanted = [call for call in _with_visible_flags(given) if profile.decide(*call).action != ALLOW]
    hidden = any(_is_clone3(c) and profile.decide(*c).action.errno != "ENOSYS" for c in given)
    if not wanted and not hidden:
        return None
    table = {"name": name, **_without(tomllib.loads(profile.source), "name")}
    table[_HELD] = layers.held_behind(profile.source)
    if "/" in (extended := str(table.get("extends", ""))) or extended.endswith(".toml"):
        table["extends"] = str(Path(profile.extends[0]).absolute())
    if any(profile.decide(*call).by_exec for call in wanted):
        table = _without(table, "exec")
    _allow_abis(table, profile, wanted)
    start = _parsed(table) or profile  # "any" ABI stands beside no rule by arguments
    for syscall, alike in _by_name(wanted).items():
        narrow = _can_be_told_apart(start, alike)
        table = (_narrowed(table, syscall, alike) if narrow else None) or _whole(table, syscall)
    table = _with_multiplexers(table, wanted)
    table = _answered_with_enosys(table, "clone3") if hidden else table
    if not _allows(table, wanted):
        return None
    return rewritten(layers.own_text(profile.source), _tidy(_without(table, _HELD)))


def _text(table: dict[str, Any]) -> str:
    return toml.dumps(_tidy(_without(table, _HELD)))


def _tidy(table: dict[str, Any]) -> dict[str, Any]:
    """Without lists and tables that the changes have left empty."""
    inner = {
        key: _tidy(value) if isinstance(value, dict) else value for key, value in table.items()
    }
    return {key: value for key, value in inner.items() if value not in ([], {})}


def _start(profile: Profile) -> list[Call]:
    """The execve that began the run, where it was let through and logged: no call of the run."""
    abi = profile.abis[0]
    call: Call = (abi, syscalls.number(abi, "execve") or 0, (0,) * 6)
    action = profile.decide(*call).action
    return [call] if action.permits and action != ALLOW else []


def _is_clone3(call: Call) -> bool:
    """Whether the flags of a call, namespaces and all, are in memory, where no filter can look."""
    return syscalls.name(syscalls.abi_of(*call[:2]), call[1]) == "clone3"


def _with_visible_flags(calls: list[Call]) -> list[Call]:
    """``calls`` with what libc does in place of clone3 if that is missing: a plain clone."""
    found: dict[Call, None] = {}
    for call in calls:
        abi = syscalls.abi_of(*call[:2])
        nr = syscalls.number(abi, "clone") if _is_clone3(call) else None
        found[call if nr is None else (abi, nr, (0,) * 6)] = None
    return list(found)


def _can_be_told_apart(profile: Profile, calls: list[Call]) -> bool:
    """Whether arguments decide about such calls, or could: it spares most names the attempt."""
    call = calls[0]
    rule, found = profile.decide(*call).rule, remedy(profile, *call, unlogged=True)
    return bool((rule and rule.conditions) or (found and found.narrower))


def _with_multiplexers(table: dict[str, Any], calls: list[Call]) -> dict[str, Any]:
    """``table`` with i386's socketcall and ipc, where the call within is not what decides."""
    profile = _parsed(table)
    for call in calls:
        if profile is not None and profile.decide(*call).action != ALLOW:
            table = _whole(table, syscalls.name(*call[:2]))
            profile = _parsed(table)
    return table


def _by_name(calls: Iterable[Call]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for given, nr, args in calls:
        abi = syscalls.abi_of(given, nr)
        name = syscalls.name(abi, nr)
        if abi == "i386":
            name = demultiplex(name, args) or name
        found.setdefault(name, []).append((abi, nr, args))
    return found


def _allow_abis(table: dict[str, Any], profile: Profile, calls: list[Call]) -> None:
    """Add the ABIs of the calls; "any" stands beside no rule, so it becomes those alone."""
    native, *known = profile.abis
    listed = [] if profile.any_abi else known
    used = dict.fromkeys(syscalls.abi_of(abi, nr) for abi, nr, _ in calls)
    abis = [*listed, *(abi for abi in used if abi not in (native, *listed))]
    if profile.any_abi or abis != known:
        table["abis"] = ["native", *abis]
    if "i386" in abis and "i386" not in listed:
        _drop_uncheckable(table)


def _drop_uncheckable(table: dict[str, Any]) -> None:
    """Take out what may not stand beside i386: exceptions by arguments for calls that come
    through socketcall and ipc too. Without them the copy is stricter, never looser.
    """
    rules = []
    for rule in table.get("rule", []):
        names = set(rule["syscalls"])
        kept = names - MULTIPLEXED if rule["action"] == str(ALLOW) else names
        if kept:
            rules.append({**rule, "syscalls": [n for n in rule["syscalls"] if n in kept]})
    table["rule"] = rules


def _narrowed(table: dict[str, Any], name: str, calls: list[Call]) -> dict[str, Any] | None:
    """``table`` with rules for calls like these alone; None where that cannot be."""
    changed, added = copy.deepcopy(table), 0
    for call in calls:
        profile = _parsed(changed)
        if profile is None or added > _MOST_RULES:
            return None
        decision = profile.decide(*call)
        if decision.action == ALLOW:
            continue
        if decision.rule and decision.rule.conditions:
            _drop_alternatives(changed, name, call)
            continue
        found = remedy(profile, *call, unlogged=True)
        if found is None or found.narrower is None:
            return None
        _add_rule(changed, name, tomllib.loads(found.narrower)["rule"][0]["args"])
        added += 1
    return changed if _allows(changed, calls) else None


def _allows(table: dict[str, Any], calls: list[Call]) -> bool:
    profile = _parsed(table)
    return profile is not None and all(profile.decide(*call).action == ALLOW for call in calls)


def _parsed(table: dict[str, Any]) -> Profile | None:
    try:
        return parse(_text(table) + str(table.get(_HELD, "")), "")
    except ProfileError:
        return None


def _add_rule(table: dict[str, Any], name: str, args: list[str]) -> None:
    for rule in table.setdefault("rule", []):
        if rule["syscalls"] == [name] and rule["action"] == str(ALLOW):
            rule["args"] = [*_alternatives(rule), args]
            return
    table["rule"].append({"syscalls": [name], "action": str(ALLOW), "args": [args]})


def _alternatives(rule: dict[str, Any]) -> list[list[str]]:
    args = rule["args"]
    return args if isinstance(args[0], list) else [args]


def _drop_alternatives(table: dict[str, Any], name: str, call: Call) -> None:
    """Take out of every rule for ``name`` that refuses what holds for the call."""
    rules = []
    for rule in table.get("rule", []):
        if name in rule["syscalls"] and rule["action"] != str(ALLOW):
            rules += _split_rule(rule, name, call)
        else:
            rules.append(rule)
    table["rule"] = rules


def _split_rule(rule: dict[str, Any], name: str, call: Call) -> list[dict[str, Any]]:
    """The rule for its other syscalls, and for ``name`` with the alternatives that are left."""
    others = [other for other in rule["syscalls"] if other != name]
    left = [args for args in _alternatives(rule) if not _holds(args, rule, call)]
    whole = [_rule_for(rule, others)] if others else []
    return whole + ([_rule_for({**rule, "args": left}, [name])] if left else [])


def _rule_for(rule: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The rule for some of its calls alone, whose words for arguments are those of one of them."""
    others = "|".join(name for name in rule["syscalls"] if name not in names)
    if not names or not others:
        return {**rule, "syscalls": names}
    pattern, to = rf"\b(?:{others})\.(?=\w)", f"{names[0]}."
    args = [[re.sub(pattern, to, text) for text in texts] for texts in _alternatives(rule)]
    return {**rule, "syscalls": names, "args": args}


def _holds(texts: list[str], rule: dict[str, Any], call: Call) -> bool:
    context = Context(Where("", Lines("")), rule["syscalls"], (), {})
    width = 0xFFFF_FFFF if call[0] in syscalls.ABI_32BIT else FULL_MASK
    try:
        found = parse_alternative(texts, [None] * len(texts), context)
    except ProfileError:
        return False  # a variable of a profile that is extended
    return any(
        all(condition.holds(call[2], width) for condition in conditions) for conditions in found
    )


def _whole(table: dict[str, Any], name: str) -> dict[str, Any]:
    """``table`` with the call in ``allow``, and nowhere else."""
    changed = _unlisted(table, name)
    return {**changed, "allow": [*changed.get("allow", []), name]}


def _answered_with_enosys(table: dict[str, Any], name: str) -> dict[str, Any]:
    """``table`` with the call under ``[errno]`` ENOSYS, and nowhere else."""
    changed = _unlisted(table, name)
    changed["errno"]["ENOSYS"] = [*changed["errno"].get("ENOSYS", []), name]
    return changed


def _unlisted(table: dict[str, Any], name: str) -> dict[str, Any]:
    changed = copy.deepcopy(table)
    for kind in ACTION_KINDS:
        if isinstance(changed.get(kind), list):
            changed[kind] = _without_name(changed[kind], name)
    errnos = changed.get("errno", {})
    changed |= {"errno": {key: _without_name(names, name) for key, names in errnos.items()}}
    rules = [_rule_without(rule, name) for rule in changed.get("rule", [])]
    changed["rule"] = [rule for rule in rules if rule["syscalls"]]
    return changed


def _rule_without(rule: dict[str, Any], name: str) -> dict[str, Any]:
    return _rule_for(rule, _without_name(rule["syscalls"], name))


def _without_name(names: list[str], name: str) -> list[str]:
    return [other for other in names if other != name]


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in table.items() if other != key}
