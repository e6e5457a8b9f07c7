"""From the text of a profile to a checked ``Profile``; every mistake names file and line."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tracer import syscalls
from tracer.profile import execs
from tracer.profile.conditions import check_conditions, exact, parse_alternative
from tracer.profile.layers import layers
from tracer.profile.limits import parse_limits
from tracer.profile.merge import OfLayer, merge
from tracer.profile.names import NameList, check_precedence
from tracer.profile.newer import NEWEST, OLDEST, Version, version
from tracer.profile.privileges import parse_privileges
from tracer.profile.records import (
    ACTION_KINDS,
    Action,
    ActionKind,
    Condition,
    Limits,
    Profile,
    Rule,
)
from tracer.profile.variables import OwnGroups, variables
from tracer.profile.where import Where, did_you_mean
from tracer.profile.wording import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer.profile.layers import Find, Layer
    from tracer.profile.privileges import Capabilities

    _T = TypeVar("_T")

_LISTS = [kind for kind in ACTION_KINDS if kind != "errno"]
_TABLES = ["errno", "rule", "limits", "privileges", "vars", "groups"]
_KEYS = [
    *("name", "description", "extends", "default_action", "unknown", "knows", "exec", "abis"),
    *_LISTS,
    *_TABLES,
]
_EXEC = ("once", "listed")
_RULE_KEYS = ["syscalls", "action", "args"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLAIN = re.compile(r"\s*arg\d")
_ABIS_FORM = 'abis is a list such as ["native", "i386"]'


def parse(source: str, path: str, native: str | None = None, find: Find | None = None) -> Profile:
    """The profile that a text says, checked whole.

    ``path`` is the label that messages carry; nothing is read from it. ``native`` is the ABI
    that "native" stands for, by default this machine's. ``find`` gives what the profile extends;
    without it, that is at the end of a ``source`` as a Profile has it. Raises ProfileError, naming
    file, line, reason and remedy, for anything that is not a sound profile.
    """
    whole, found = layers(source, path, find)
    for layer in found:
        _known_keys(layer.table, _KEYS, (), layer.where)
    table, where = found[0]
    abis, any_abi = _of(found, "abis", lambda t, w: _abis(t, native or _native(found), w))
    merged = merge([_rules_of(layer, abis, found) for layer in found], abis)
    profile = Profile(
        name=_name(table, path, where),
        description=_text(table, "description", where),
        path=path,
        source=whole,
        digest=hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest(),
        default_action=_of(found, "default_action", _default_action),
        abis=abis,
        any_abi=any_abi,
        rules=merged.rules,
        unconditional=merged.unconditional,
        conditional=merged.conditional,
        capabilities=_of(found, "privileges", _privileges),
        limits=_limits(found),
        skipped=merged.skipped,
        unknown=_of(found, "unknown", _unknown),
        knows=_of(found, "knows", _knows),
        extends=tuple(layer.where.path for layer in found[1:]),
        exec_once=_of(found, "exec", _exec_once),
    )
    _check_whole(profile, where)
    return profile


def _of(found: list[Layer], key: str, read: Callable[[dict[str, Any], Where], _T]) -> _T:
    """What the nearest layer that has the key says; as if none had it, where none has."""
    layer = next((layer for layer in found if key in layer.table), found[0])
    return read(layer.table, layer.where)


def _rules_of(layer: Layer, abis: tuple[str, ...], found: list[Layer]) -> OfLayer:
    """The rules of one layer, in the order of its file, checked by themselves."""
    table, where = layer
    names = NameList(abis, where, variables(found), OwnGroups(found))
    unordered = [*_lists(table, names, where), *_rules(table, names, where)]
    rules = exact(sorted(unordered, key=lambda rule: rule.line), abis)
    check_precedence(rules, where)
    own = layer is found[0]
    path = "" if own else where.path
    placed = tuple(rule._replace(path=path) for rule in rules)
    return OfLayer(placed, tuple(names.skipped) if own else ())


def _privileges(table: dict[str, Any], where: Where) -> Capabilities | None:
    return parse_privileges(table["privileges"], where) if "privileges" in table else None


def _limits(found: list[Layer]) -> Limits:
    """Each limit as the nearest layer that has it says."""
    limits = Limits()
    for table, where in reversed(found):
        if "limits" in table:
            given = parse_limits(table["limits"], where)._asdict()
            limits = limits._replace(**{k: v for k, v in given.items() if v is not None})
    return limits


def _native(found: list[Layer]) -> str:
    """The ABI of this machine. One whose calls have no names here will do where none is named.

    Raises SbtraceError for such a machine and a profile that restricts something.
    """
    machine = os.uname().machine
    keys = {key for layer in found for key in layer.table}
    is_any = any(layer.table.get("abis") == ["any"] for layer in found)
    names_none = is_any and not {*_LISTS, "errno", "rule"} & keys
    if names_none and not syscalls.is_known(machine):
        return machine
    return syscalls.native_abi()


def _check_whole(profile: Profile, where: Where) -> None:
    check_conditions(profile, where)
    if profile.unknown is None and profile.knows != NEWEST:
        line = where.lines.of("knows")
        raise where.error(line, 'knows says nothing without unknown = "errno:ENOSYS"')
    for name in execs.CALLS if profile.exec_once else ():
        if rules := profile.conditional.get(name):
            raise where.error(
                rules[0].line,
                f'exec = "once" decides about {name} whatever its arguments are: '
                "take it out of this [[rule]]",
            )
    restricts = profile.rules or not profile.default_action.permits
    if profile.any_abi and (restricts or profile.unknown or profile.exec_once):
        raise where.error(
            where.lines.of("abis"),
            'abis = ["any"] would let every rule be passed by through another ABI; '
            "it is for profiles that restrict nothing: name the ABIs, or drop the rules",
        )


def _known_keys(
    table: dict[str, Any], known: list[str], at: tuple[str | int, ...], where: Where
) -> None:
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or f"; known: {', '.join(known)}"
            raise where.error(where.lines.of(*at, key), f'unknown key "{key}"{hint}')


def _text(table: dict[str, Any], key: str, where: Where) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise where.error(where.lines.of(key), f"{key} must be a text in quotes")
    return value.strip()


def _name(table: dict[str, Any], path: str, where: Where) -> str:
    name = _text(table, "name", where)
    if not name and "name" not in table:
        return PurePath(path).stem
    if not _NAME.fullmatch(name):
        raise where.error(
            where.lines.of("name"),
            f'name "{name}" must be 1 to 64 letters, digits, dots, dashes or underscores',
        )
    return name


def _default_action(table: dict[str, Any], where: Where) -> Action:
    if "default_action" not in table:
        raise where.error(
            None, 'default_action is missing; add a line such as default_action = "kill_process"'
        )
    return parse_action(table["default_action"], where.lines.of("default_action"), where)


def _unknown(table: dict[str, Any], where: Where) -> Action | None:
    if "unknown" not in table:
        return None
    return parse_action(table["unknown"], where.lines.of("unknown"), where)


def _knows(table: dict[str, Any], where: Where) -> Version:
    if "knows" not in table:
        return NEWEST
    value, line = table["knows"], where.lines.of("knows")
    found = version(value) if isinstance(value, str) else None
    if found is None:
        ends = ["{}.{}".format(*end) for end in (OLDEST, NEWEST)]
        raise where.error(
            line,
            f'knows is the Linux version whose calls the profile knows, such as "6.12", from '
            f'"{ends[0]}" to "{ends[1]}", not {value!r}',
        )
    return found


def _exec_once(table: dict[str, Any], where: Where) -> bool:
    value = table.get("exec", "listed")
    if value not in _EXEC:
        raise where.error(
            where.lines.of("exec"),
            f'exec is "once" (none after the one that starts the command) or "listed" (as the '
            f"lists say), not {value!r}",
        )
    return bool(value == "once")


def parse_action(value: object, line: int | None, where: Where) -> Action:
    """The action that ``"kill_process"`` or ``"errno:EPERM"`` stands for."""
    if isinstance(value, str):
        kind, _, errno_name = value.partition(":")
        if kind == "errno" and errno_name:
            return Action("errno", _errno(errno_name, line, where))
        if value in _LISTS:
            return Action(cast("ActionKind", value))
    hint = did_you_mean(value, _LISTS) if isinstance(value, str) else ""
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    known = ", ".join([*_LISTS, "errno:EPERM"])
    raise where.error(line, f"unknown action {shown}{hint}; known: {known}")


def _errno(name: str, line: int | None, where: Where) -> str:
    if syscalls.errno_number(name) is None:
        hint = did_you_mean(name, syscalls.errno_names()) or "; see errno(3)"
        raise where.error(line, f'unknown error "{name}"{hint}')
    return name


def _abis(table: dict[str, Any], native: str, where: Where) -> tuple[tuple[str, ...], bool]:
    entries = table.get("abis", ["native"])
    line = where.lines.of("abis")
    if not isinstance(entries, list) or not entries:
        raise where.error(line, _ABIS_FORM)
    if entries == ["any"]:
        return (native, *syscalls.FOREIGN_ABIS.get(native, ())), True
    found = [native]
    for entry in entries:
        if entry not in ("native", *syscalls.ABIS):
            shown = entry if isinstance(entry, str) else repr(entry)
            known = ", ".join(["native", *syscalls.ABIS])
            raise where.error(line, f'unknown ABI "{shown}"; known: {known}, or "any" alone')
        if entry in syscalls.FOREIGN_ABIS.get(native, ()) and entry not in found:
            found.append(entry)
    return tuple(found), False


def _lists(table: dict[str, Any], names: NameList, where: Where) -> list[Rule]:
    rules = []
    for kind in _LISTS:
        if kind in table:
            rules += names.entries(table[kind], (kind,), Action(kind))
    by_errno = table.get("errno", {})
    if not isinstance(by_errno, dict):
        raise where.error(
            where.lines.of("errno"), 'errno is a table: [errno], then EPERM = ["socket"]'
        )
    for errno_name, entries in by_errno.items():
        path = ("errno", errno_name)
        action = Action("errno", _errno(errno_name, where.lines.of(*path), where))
        rules += names.entries(entries, path, action)
    return rules


def _rules(table: dict[str, Any], names: NameList, where: Where) -> list[Rule]:
    tables = table.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(rule, dict) for rule in tables):
        raise where.error(where.lines.of("rule"), "rules are written as tables: [[rule]]")
    rules = []
    for number, rule in enumerate(tables):
        rules += _rule(rule, number, names, where)
    return rules


def _rule(table: dict[str, Any], number: int, names: NameList, where: Where) -> list[Rule]:
    """One Rule for each alternative of a ``[[rule]]``; none if this machine lacks its calls."""
    at = ("rule", number)
    line = where.lines.of(*at)
    _known_keys(table, _RULE_KEYS, at, where)
    for key in _RULE_KEYS:
        if not table.get(key):
            raise where.error(line, f"rule {number + 1}: {key} is missing; {_missing(key)}")
    entries, covered = names.rule_syscalls(table["syscalls"], (*at, "syscalls"))
    action = parse_action(table["action"], where.lines.of(*at, "action"), where)
    context = Context(where, entries, names.abis, names.variables)
    entry = ", ".join(entries)
    return [
        Rule(alternative_line, entry, action, covered, conditions, written)
        for alternative_line, written, conditions in _alternatives(table["args"], at, context)
        if covered
    ]


def _alternatives(
    args: object, at: tuple[str | int, ...], context: Context
) -> Iterator[tuple[int, tuple[str, ...], tuple[Condition, ...]]]:
    """Lines, texts and conditions of ``args``: one list of texts, or a list of such lists."""
    lines = context.where.lines
    if not isinstance(args, list):
        raise context.error(
            lines.of(*at, "args"), 'args is a list such as ["arg0 == 1"], or a list of such'
        )
    nested = all(isinstance(group, list) and group for group in args)
    index = 0  # strings are counted through all the lists
    for group in args if nested else [args]:
        at_lines = [lines.of_entry(*at, "args", index=index + n) for n in range(len(group))]
        index += len(group)
        made = parse_alternative(group, at_lines, context)
        first = at_lines[0] if nested else lines.of(*at)
        plain = len(made) == 1 and all(_PLAIN.match(text) for text in group)
        for conditions in made:
            yield first or 1, () if plain else tuple(t.strip() for t in group), conditions


def _missing(key: str) -> str:
    return {
        "syscalls": 'name what it is about: syscalls = ["socket"]',
        "action": 'say what is to happen: action = "allow"',
        "args": "without conditions the call belongs into a list such as allow = [...]",
    }[key]
