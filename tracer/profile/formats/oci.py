"""The JSON of OCI runtimes, and Docker's, which depends on capabilities, machine and kernel.

A profile's file is the ``linux.seccomp`` of the OCI runtime specification; Docker, Podman and
containerd add ``includes``, ``excludes`` and ``archMap``, which are resolved when it is read
(moby/profiles/seccomp: setupSeccomp). ``config.json`` of a bundle is taken too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer import syscalls
from tracer.profile.formats import runtimes
from tracer.profile.formats.interface import Context, Format, Source, hint, text
from tracer.profile.formats.merge import Entry, merged
from tracer.profile.formats.policy import Call, Clause, Policy, Remarks, named
from tracer.profile.records import FULL_MASK, Action, Condition, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ACTIONS = {
    "SCMP_ACT_ALLOW": "allow",
    "SCMP_ACT_LOG": "log",
    "SCMP_ACT_ERRNO": "errno",
    "SCMP_ACT_TRAP": "trap",
    "SCMP_ACT_KILL_THREAD": "kill_thread",
    "SCMP_ACT_KILL_PROCESS": "kill_process",
    "SCMP_ACT_KILL": "kill_thread",
}
_NAMES = {kind: name for name, kind in reversed(_ACTIONS.items())}
_ASKING = {"SCMP_ACT_NOTIFY": "a listener", "SCMP_ACT_TRACE": "a tracer"}
_OPERATORS: dict[str, Operator] = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
}
_COMPARISONS = {op: name for name, op in _OPERATORS.items()}
_MASKED = "SCMP_CMP_MASKED_EQ"
_ARCHITECTURES = {
    "x86_64": "SCMP_ARCH_X86_64",
    "i386": "SCMP_ARCH_X86",
    "x32": "SCMP_ARCH_X32",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
}
_ABIS = {name: abi for abi, name in _ARCHITECTURES.items()}
_GO_ARCHES = {"x86_64": "amd64", "i386": "x86", "arm64": "arm64", "arm": "arm"}
_TOP = (
    *("defaultAction", "defaultErrnoRet", "defaultErrno", "architectures", "archMap"),
    *("syscalls", "flags", "listenerPath", "listenerMetadata"),
)
_ENTRY = ("names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes")
_ARG = ("index", "value", "valueTwo", "op")
_WHEN = ("caps", "arches", "minKernel")
_EPERM = 1
_WORD = 0xFFFF_FFFF


# Writing


def write(source: Source, remarks: Remarks) -> bytes:
    """The JSON of a policy."""
    table = seccomp(source.policy, remarks)
    return (json.dumps(table, indent=2) + "\n").encode()


def seccomp(policy: Policy, remarks: Remarks) -> dict[str, Any]:
    """The table that a runtime is given."""
    runtimes.beyond_filter(policy, remarks)
    calls = runtimes.with_names(policy, remarks)
    _stub(policy, calls, remarks)
    remarks.note("a call by an ABI that is not listed kills the thread there, not the process")
    return {
        **_action(policy.default, "defaultAction", "defaultErrnoRet"),
        "architectures": [_ARCHITECTURES[abi] for abi in policy.abis],
        "syscalls": [*_listed(policy, calls), *_by_arguments(policy, calls)],
    }


def _stub(policy: Policy, calls: Iterable[Call], remarks: Remarks) -> None:
    """Say what runc adds: libcontainer/seccomp/patchbpf."""
    highest = runtimes.above_all(calls, policy.abis[0])
    if highest and not policy.default.permits and policy.default != Action("errno", "ENOSYS"):
        remarks.note(
            f"runc answers calls above {highest[1]} ({highest[0]}) with ENOSYS, not with "
            f"{policy.default}; above a lower one where its libseccomp does not know that name"
        )


def _action(action: Action, key: str, errno_key: str) -> dict[str, Any]:
    name = _NAMES[action.kind]
    if action.errno is None:
        return {key: name}
    return {key: name, errno_key: syscalls.errno_number(action.errno)}


def _listed(policy: Policy, calls: Iterable[Call]) -> Iterator[dict[str, Any]]:
    by_action: dict[Action, list[str]] = {}
    for call in calls:
        if not call.clauses and call.otherwise != policy.default:
            by_action.setdefault(call.otherwise, []).append(call.name)
    for action, names in by_action.items():
        yield {"names": sorted(names), **_action(action, "action", "errnoRet")}


def _by_arguments(policy: Policy, calls: Iterable[Call]) -> Iterator[dict[str, Any]]:
    """An entry for each clause. What holds otherwise is written as a condition that always does:
    to libseccomp an entry without conditions would stand in place of those that have some.
    """
    shared: dict[Clause, list[str]] = {}
    for call in calls:
        for clause in call.clauses:
            shared.setdefault(clause, []).append(call.name)
        if call.clauses and call.otherwise != policy.default:
            always = Clause(call.otherwise, (Condition(0, ">=", 0),))
            shared.setdefault(always, []).append(call.name)
    for clause, names in shared.items():
        yield {
            "names": sorted(names),
            **_action(clause.action, "action", "errnoRet"),
            "args": [_argument(condition) for condition in clause.conditions],
        }


def _argument(condition: Condition) -> dict[str, Any]:
    if condition.mask != FULL_MASK:
        values: dict[str, Any] = {"value": condition.mask, "valueTwo": condition.value}
        return {"index": condition.index, **values, "op": _MASKED}
    return {
        "index": condition.index,
        "value": condition.value,
        "op": _COMPARISONS[condition.op],
    }


# Reading


class Place(NamedTuple):
    """Where in the file we are: ``syscalls[3].args[0]``."""

    at: str
    context: Context

    def of(self, key: str | int) -> Place:
        """The place of a key, or of an entry of a list, within."""
        inner = f"{self.at}[{key}]" if isinstance(key, int) else f"{self.at}.{key}".lstrip(".")
        return Place(inner, self.context)

    def table(self, value: object, known: tuple[str, ...]) -> dict[str, Any]:
        """The value, if it is an object that has no other keys. Raises ProfileError."""
        if not isinstance(value, dict):
            self.context.fail(self.at, "must be an object: {…}")
        for key in value:
            if key not in known:
                self.context.fail(
                    self.at,
                    f'unknown key "{key}"{hint(key, known)}; runtimes pass over it in silence',
                )
        return value

    def entries(self, value: object) -> list[Any]:
        """The value, if it is a list; null is an empty one, as in Go. Raises ProfileError."""
        if value is not None and not isinstance(value, list):
            self.context.fail(self.at, "must be a list: […]")
        return value or []

    def texts(self, value: object) -> list[str]:
        """The value, if it is a list of texts. Raises ProfileError."""
        found = self.entries(value)
        for index, entry in enumerate(found):
            if not isinstance(entry, str):
                self.context.fail(self.of(index).at, "must be a text in quotes")
        return found

    def number(self, value: object, most: int) -> int:
        """The value, if it is a whole number from 0 to ``most``. Raises ProfileError."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.context.fail(self.at, f"must be a whole number from 0 to {most}, not {value!r}")
        return value


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of a JSON file."""
    top = Place("", context)
    value = _parsed(data, context)
    if isinstance(value, dict) and "linux" in value and "syscalls" not in value:
        top, value = _of_bundle(value, context)
    return policy(value, top, remarks)


def _parsed(data: bytes, context: Context) -> object:
    try:
        return json.loads(text(data, context), object_pairs_hook=lambda p: _unique(p, context))
    except json.JSONDecodeError as error:
        context.fail(
            error.lineno, f"not valid JSON: {error.msg} (column {error.colno}); mend it there"
        )
    except ValueError:  # of more than 4,300 digits Python makes no number
        context.fail(None, "has a number that is wider than 64 bits: give a smaller one")
    except RecursionError:
        context.fail(None, "not a seccomp profile: nested too deep")


def _unique(pairs: list[tuple[str, Any]], context: Context) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        context.fail(
            None, f'"{twice}" stands twice in one object, and the last one counts: take one out'
        )
    return table


def _of_bundle(value: dict[str, Any], context: Context) -> tuple[Place, object]:
    linux = value["linux"]
    if not isinstance(linux, dict) or "seccomp" not in linux:
        context.fail("linux.seccomp", "is missing: this bundle has no filter")
    return Place("linux.seccomp", context), linux["seccomp"]


def policy(value: object, top: Place, remarks: Remarks) -> Policy:
    """The policy of the table that a runtime is given."""
    table = top.table(value, _TOP)
    default = _default(table, top, remarks)
    abis = _abis(table, top, remarks)
    for key in ("flags", "listenerPath", "listenerMetadata"):
        if table.get(key):
            remarks.note(f'"{key}" is left out: it changes no answer of the filter')
    context = top.context
    _say_conditions(table, context, remarks)
    entries: list[Entry] = []
    for index, entry in enumerate(top.of("syscalls").entries(table.get("syscalls"))):
        entries += _entry(entry, top.of("syscalls").of(index), remarks)
    name = context.path.rpartition("/")[2].removesuffix(".json")
    return Policy(name, "", default, abis, merged(entries, default, context, remarks))


def _say_conditions(table: dict[str, Any], context: Context, remarks: Remarks) -> None:
    """Say for what the parts were taken that depend on more than the call."""
    entries = [entry for entry in table.get("syscalls") or [] if isinstance(entry, dict)]
    if table.get("archMap") or any(e.get("includes") or e.get("excludes") for e in entries):
        held = ", ".join(sorted(context.capabilities)) or "none (--cap)"
        version = "{}.{}".format(*context.kernel)
        remarks.note(f"read for {context.abi}, Linux {version} and the capabilities: {held}")


def _default(table: dict[str, Any], top: Place, remarks: Remarks) -> Action:
    if "defaultAction" not in table:
        top.context.fail(
            top.of("defaultAction").at, 'is missing: add "defaultAction": "SCMP_ACT_ERRNO"'
        )
    place = top.of("defaultAction")
    return _taken(table["defaultAction"], table.get("defaultErrnoRet"), place, remarks)


def _taken(name: object, errno: object, place: Place, remarks: Remarks) -> Action:
    """The action by its name in the file."""
    if isinstance(name, str) and name in _ASKING:
        remarks.loss(
            f"{place.context.path}: {place.at}: {name} asks {_ASKING[name]}, which a profile "
            "cannot: errno:ENOSYS instead, as if there were none"
        )
        return Action("errno", "ENOSYS")
    if not isinstance(name, str) or name not in _ACTIONS:
        place.context.fail(place.at, f'unknown action "{name}"{hint(name, (*_ACTIONS, *_ASKING))}')
    kind = _ACTIONS[name]
    if kind != "errno":
        return Action(kind)  # type: ignore[arg-type] # one of ACTION_KINDS
    return _errno(errno, place, remarks)


def _errno(errno: object, place: Place, remarks: Remarks) -> Action:
    number = _EPERM if errno is None else place.of("errnoRet").number(errno, 0xFFFF)
    name = syscalls.errno_name(number)
    if syscalls.errno_number(name) is None:
        remarks.loss(
            f"{place.context.path}: {place.at}: the error {number} has no name, "
            "so a profile cannot return it: EPERM instead"
        )
        name = "EPERM"
    return Action("errno", name)


def _abis(table: dict[str, Any], top: Place, remarks: Remarks) -> tuple[str, ...]:
    """The ABIs that are listed and that this machine serves."""
    native, context = top.context.abi, top.context
    if table.get("architectures") and table.get("archMap"):
        context.fail(top.of("archMap").at, "stands beside architectures: take one of them out")
    found = [
        (name, top.of("architectures"))
        for name in top.of("architectures").texts(table.get("architectures"))
    ]
    for index, entry in enumerate(top.of("archMap").entries(table.get("archMap"))):
        place = top.of("archMap").of(index)
        names = place.table(entry, ("architecture", "subArchitectures"))
        sub = place.of("subArchitectures").texts(names.get("subArchitectures"))
        if names.get("architecture") == _ARCHITECTURES[native]:
            found += [(name, place) for name in (names["architecture"], *sub)]
    listed = [_abi(name, place, native) for name, place in found]
    if listed and native not in listed:
        context.fail(
            found[0][1].at,
            f"{_ARCHITECTURES[native]} is not among them, so every call would kill here; add it",
        )
    served = (native, *syscalls.FOREIGN_ABIS.get(native, ()))
    return (native, *(abi for abi in served[1:] if abi in listed))


def _abi(name: str, place: Place, native: str) -> str | None:
    """The ABI of an architecture; None for one of other machines."""
    if name == "SCMP_ARCH_NATIVE":
        return native
    if not re.fullmatch(r"SCMP_ARCH_[A-Z0-9_]+", name):
        place.context.fail(place.at, f'unknown architecture "{name}"{hint(name, _ABIS)}')
    return _ABIS.get(name)


def _entry(value: object, place: Place, remarks: Remarks) -> Iterator[Entry]:
    """What one entry says of calls; nothing where its includes and excludes do not hold here."""
    table = place.table(value, _ENTRY)
    names = _entry_names(table, place)
    if reason := _left_out(table, place):
        remarks.note(f"{place.at} is left out ({reason}): {named(names, 3)}")
        return
    if "action" not in table:
        place.context.fail(place.of("action").at, 'is missing: add "action": "SCMP_ACT_ALLOW"')
    action = _taken(table["action"], table.get("errnoRet"), place, remarks)
    for conditions in _alternatives(table.get("args"), place, remarks):
        yield from (Entry(place.at, name, action, conditions) for name in names)


def _entry_names(table: dict[str, Any], place: Place) -> list[str]:
    if "name" in table and "names" in table:
        place.context.fail(place.at, 'has both "name" and "names": take one of them out')
    if "name" in table:
        names = place.of("name").texts([table["name"]])
    else:
        names = place.of("names").texts(table.get("names"))
    if not names or not all(names):
        place.context.fail(
            place.of("names").at,
            'is empty, so the entry covers no call: add "names": ["read"], or take the entry out',
        )
    return names


def _left_out(table: dict[str, Any], place: Place) -> str | None:
    """Why an entry does not count here; None if it does. moby: setupSeccomp."""
    context = place.context
    arch = _GO_ARCHES.get(context.abi, context.abi)
    for key, wanted in (("excludes", False), ("includes", True)):
        inner = place.of(key)
        when = inner.table(table.get(key) or {}, _WHEN)
        arches = inner.of("arches").texts(when.get("arches"))
        caps = inner.of("caps").texts(when.get("caps"))
        if arches and (arch in arches) != wanted:
            return f"for {', '.join(arches)}" if wanted else f"not for {arch}"
        if wanted and (missing := [cap for cap in caps if cap not in context.capabilities]):
            return f"for {', '.join(missing)}"
        if not wanted and (held := [cap for cap in caps if cap in context.capabilities]):
            return f"not with {', '.join(held)}"
        least = _kernel(when.get("minKernel"), inner.of("minKernel"))
        if least and (context.kernel >= least) != wanted:
            version = "{}.{}".format(*least)
            return f"from Linux {version} on" if wanted else f"before Linux {version}"
    return None


def _kernel(value: object, place: Place) -> tuple[int, int] | None:
    if value in (None, ""):
        return None
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", value) if isinstance(value, str) else None
    if match is None:
        place.context.fail(place.at, f'must be a version such as "4.8", not {value!r}')
    return int(match[1]), int(match[2])


def _alternatives(value: object, place: Place, remarks: Remarks) -> list[tuple[Condition, ...]]:
    """The conditions of an entry: together, or each by itself where two look at one argument.

    libseccomp refuses to look at an argument twice, so runc and crun make a rule of each then.
    """
    inner = place.of("args")
    found = [_condition(arg, inner.of(at)) for at, arg in enumerate(inner.entries(value))]
    indexes = [condition.index for condition in found]
    if len(set(indexes)) == len(indexes):
        return [tuple(found)]
    remarks.note(
        f"{inner.at} looks at one argument twice: as runtimes do, each condition is taken by "
        f"itself, and one of them is enough{_too_much(found)}"
    )
    return [(condition,) for condition in found]


def _too_much(found: list[Condition]) -> str:
    indexes = [condition.index for condition in found if condition.op == "!="]
    return ", so two != hold for every value" if len(set(indexes)) < len(indexes) else ""


def _condition(value: object, place: Place) -> Condition:
    table = place.table(value, _ARG)
    for key in ("index", "value", "op"):
        if key not in table and (key == "op" or table.get("op") is None):
            place.context.fail(
                place.of(key).at, 'is missing: {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}'
            )
    # What is not there is 0 to Go.
    index = place.of("index").number(table.get("index", 0), 5)
    number = place.of("value").number(table.get("value", 0), FULL_MASK)
    second = place.of("valueTwo").number(table.get("valueTwo", 0), FULL_MASK)
    op = table["op"]
    if op == _MASKED:
        # scmp_filter.c compares what is masked on both sides.
        return Condition(index, "==", second & number, number)
    if not isinstance(op, str) or op not in _OPERATORS:
        known = hint(op, (*_OPERATORS, _MASKED))
        place.context.fail(place.of("op").at, f'unknown comparison "{op}"{known}')
    return Condition(index, _OPERATORS[op], number)


def _looks_like(path: str, data: bytes) -> bool:
    return b"SeccompProfile" not in data and (path.endswith(".json") or data.lstrip()[:1] == b"{")


FORMAT = Format(
    "oci", "JSON of runc, crun, Docker, Podman and containerd", write, read, _looks_like
)
