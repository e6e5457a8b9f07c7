"""The JSON Schema of a profile, for editors: what can be said of its form alone.

It is made of the parser's own tables, and a test holds both against each other.
"""

from __future__ import annotations

from typing import Any

from tracer import capabilities, syscalls
from tracer.profile import groups, newer
from tracer.profile.records import ACTION_KINDS

_NAME = r"^\s*[A-Za-z0-9][A-Za-z0-9._-]{0,63}\s*$"
_OTHER_CALL = r"^([\x24][A-Za-z0-9_-]{1,64}|syscall_0x[0-9a-f]{1,8})$"
_GROUP = r"^@[A-Za-z0-9_-]{1,64}$"
_OF_ONES_OWN = r"^[A-Za-z0-9_-]{1,64}$"
_CONDITION = r"^\s*(arg[0-5]|\w+\.\w+)[\s&=!<>].*\S\s*$"
_SIZE = r"^\s*[0-9]{1,18}\s*[KMGT]?(i?B)?\s*$"
_MOST = 2**63 - 1
_PLAIN = [kind for kind in ACTION_KINDS if kind != "errno"]


def schema() -> dict[str, Any]:
    """The schema, as plain data for JSON."""
    entries = {"type": "array", "items": {"$ref": "#/definitions/entry"}}
    lists = {kind: {**entries, "description": _OF_LISTS[kind]} for kind in _PLAIN}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A profile of sbtrace",
        "type": "object",
        "additionalProperties": False,
        "anyOf": [{"required": ["default_action"]}, {"required": ["extends"]}],
        "properties": {
            "name": {"type": "string", "pattern": _NAME},
            "description": {"type": "string"},
            "extends": {
                "type": "string",
                "minLength": 1,
                "description": "The name or path of a profile that this one builds on.",
            },
            "default_action": {"$ref": "#/definitions/action"},
            "unknown": {"$ref": "#/definitions/action"},
            "knows": {"type": "string", "pattern": _versions()},
            "exec": {"enum": ["once", "listed"]},
            "abis": {
                "oneOf": [
                    {"const": ["any"]},
                    {
                        "type": "array",
                        "minItems": 1,
                        "items": {"enum": ["native", *syscalls.ABIS]},
                    },
                ]
            },
            **lists,
            "errno": {
                "type": "object",
                "propertyNames": {"enum": syscalls.errno_names()},
                "additionalProperties": entries,
            },
            "rule": {"type": "array", "items": _rule()},
            "limits": _limits(),
            "privileges": _privileges(),
            "vars": _variables(),
            "groups": {
                "type": "object",
                "propertyNames": {
                    "pattern": _GROUP,
                    "not": {"enum": sorted(groups.descriptions())},
                },
                "additionalProperties": entries,
            },
        },
        "definitions": {
            "action": {"enum": [*_PLAIN, *_errno_actions()]},
            "call": {"anyOf": [{"enum": _calls()}, {"type": "string", "pattern": _OTHER_CALL}]},
            "entry": {
                "anyOf": [
                    {"$ref": "#/definitions/call"},
                    {"enum": sorted(groups.descriptions())},
                    {"type": "string", "pattern": _GROUP},
                ]
            },
        },
    }


_OF_LISTS = {
    "allow": "These calls happen.",
    "log": "These happen, and the kernel logs them.",
    "trap": "SIGSYS, which a handler may catch.",
    "kill_thread": "The thread ends with SIGSYS.",
    "kill_process": "The process ends with SIGSYS.",
}


def _errno_actions() -> list[str]:
    return [f"errno:{name}" for name in syscalls.errno_names()]


def _calls() -> list[str]:
    """Every call of any ABI."""
    known = groups.descriptions()
    calls = set().union(*(syscalls.names(abi) for abi in syscalls.ABIS))
    members = set().union(*(groups.members(name) for name in known if name != groups.KNOWN))
    return sorted(calls | members)


def _versions() -> str:
    """The versions from the oldest to the newest. No major version went beyond .19."""
    (oldest, newest) = newer.OLDEST, newer.NEWEST
    every = [(major, minor) for major in range(oldest[0], newest[0] + 1) for minor in range(20)]
    known = [rf"{major}\.{minor}" for major, minor in every if oldest <= (major, minor) <= newest]
    return rf"^({'|'.join(known)})(\.[0-9]{{1,4}})?$"


def _rule() -> dict[str, Any]:
    texts = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": _CONDITION}}
    names = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/call"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["syscalls", "action", "args"],
        "properties": {
            "syscalls": names,
            "action": {"$ref": "#/definitions/action"},
            "args": {"oneOf": [texts, {"type": "array", "minItems": 1, "items": texts}]},
        },
    }


def _limits() -> dict[str, Any]:
    def size(least: int) -> dict[str, Any]:
        number = {"type": "integer", "minimum": least, "maximum": _MOST}
        return {"oneOf": [number, {"type": "string", "pattern": _SIZE}]}

    def count(least: int) -> dict[str, Any]:
        return {"type": "integer", "minimum": least, "maximum": _MOST}

    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "cpu_seconds": count(1),
            "address_space": size(1),
            "data": size(1),
            "open_files": count(3),
            "processes": count(1),
            "file_size": size(0),
            "core": size(0),
            "wall_seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 10 * 365 * 86400},
        },
    }


def _privileges() -> dict[str, Any]:
    known = "|".join(_any_case(name) for name in capabilities.NAMES)
    one = {"type": "string", "pattern": rf"^\s*({_any_case('CAP_')})?({known})\s*$"}
    listed = {"type": "array", "items": one}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"capabilities": {"oneOf": [{"const": "keep"}, listed]}},
    }


def _any_case(word: str) -> str:
    """A pattern for the word in upper and lower case: ECMA 262 has no flag within one."""
    return "".join(f"[{char}{char.lower()}]" if char.isalpha() else char for char in word)


def _variables() -> dict[str, Any]:
    one = {"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]}
    return {
        "type": "object",
        "propertyNames": {"pattern": _OF_ONES_OWN},
        "additionalProperties": {
            "oneOf": [*one["oneOf"], {"type": "array", "minItems": 1, "items": one}]
        },
    }
