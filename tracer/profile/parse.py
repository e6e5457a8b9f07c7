"""From the text of a profile to a checked ``Profile``; every mistake names file and line."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from tracer import syscalls
from tracer.profile import execs
from tracer.profile.conditions import check_conditions, exact, parse_alternative
from tracer.profile.limits import parse_limits
from tracer.profile.lines import Lines
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
    conditional,
    narrowest,
)
from tracer.profile.where import Where, did_you_mean
from tracer.profile.wording import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTS = [kind for kind in ACTION_KINDS if kind != "errno"]
_TABLES = ["errno", "rule", "limits", "privileges"]
_KEYS = [
    *("name", "description", "default_action", "unknown", "knows", "exec", "abis"),
    *_LISTS,
    *_TABLES,
]
_EXEC = ("once", "listed")
_RULE_KEYS = ["syscalls", "action", "args"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLAIN = re.compile(r"\s*arg\d")
# A text: re compiles it when it is first needed, which a start seldom does.
_TOML_LINE = r"(?s)^(.*) \(at line (\d+), column \d+\)$"
_ABIS_FORM = 'abis is a list such as ["native", "i386"]'


def parse(source: str, path: str, native: str | None = None) -> Profile:
    """The profile that a text says, checked whole.

    ``path`` is the label that messages carry; nothing is read from it. ``native`` is the ABI
    that "native" stands for, by default this machine's. Raises ProfileError, naming file,
    line, reason and remedy, for anything that is not a sound profile.
    """
    where = Where(path, Lines(source))
    table = _toml(source, where)
    _known_keys(table, _KEYS, (), where)
    abis, any_abi = _abis(table, native or _native(table), where)
    names = NameList(abis, where)
    unordered = [*_lists(table, names, where), *_rules(table, names, where)]
    rules = tuple(exact(sorted(unordered, key=lambda rule: rule.line), abis))
    default = _default_action(table, where)
    profile = Profile(
        name=_name(table, path, where),
        description=_text(table, "description", where),
        path=path,
        source=source,
        digest=hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest(),
        default_action=default,
        abis=abis,
        any_abi=any_abi,
        rules=rules,
        unconditional=narrowest(rules),
        conditional=conditional(rules),
        capabilities=parse_privileges(table["privileges"], where)
        if "privileges" in table
        else None,
        limits=parse_limits(table["limits"], where) if "limits" in table else Limits(),
        skipped=tuple(names.skipped),
        unknown=_unknown(table, where),
        knows=_knows(table, where),
        exec_once=_exec_once(table, where),
    )
    _check_whole(profile, where)
    return profile


def _native(table: dict[str, Any]) -> str:
    """The ABI of this machine. One whose calls have no names here will do where none is named.

    Raises SbtraceError for such a machine and a profile that restricts something.
    """
    machine = os.uname().machine
    names_none = table.get("abis") == ["any"] and not {*_LISTS, "errno", "rule"} & table.keys()
    if names_none and not syscalls.is_known(machine):
        return machine
    return syscalls.native_abi()


def _check_whole(profile: Profile, where: Where) -> None:
    check_precedence(profile, where)
    check_conditions(profile, where)
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


def _toml(source: str, where: Where) -> dict[str, Any]:
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message, line = str(error), None
        if match := re.match(_TOML_LINE, message):
            message, line = match[1], int(match[2])
        raise where.error(line, f"not valid TOML: {message}") from None
    except RecursionError:
        raise where.error(None, "not a profile: nested too deep") from None


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
    if "unknown" not in table:
        raise where.error(line, 'knows says nothing without unknown = "errno:ENOSYS"')
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
    covered = names.rule_syscalls(table["syscalls"], (*at, "syscalls"))
    action = parse_action(table["action"], where.lines.of(*at, "action"), where)
    context = Context(where, table["syscalls"], names.abis, {})
    entry = ", ".join(table["syscalls"])
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
