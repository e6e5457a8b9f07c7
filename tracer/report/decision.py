"""What a profile does with a call, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.decode.call import call_text
from tracer.profile import machine
from tracer.profile.reason import Reason, by_arguments, reason
from tracer.profile.verdicts import verdict
from tracer.report import remedies
from tracer.report.layout import Sheet
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.profile import Profile
    from tracer.profile.calls import Call
    from tracer.profile.expected import Expected
    from tracer.profile.machine import Program

_LABEL_WIDTH = 8


class Answer(NamedTuple):
    """What became of one expected call."""

    expected: Expected
    action: str
    """What the compiled filter does with it."""
    reason: Reason
    """By which entry of the profile."""

    @property
    def is_as_expected(self) -> bool:
        """Whether the filter does what the table says."""
        return self.action == self.expected.action


def answers(
    profile: Profile, compiled: Program, expected: Sequence[Expected]
) -> tuple[Answer, ...]:
    """What the filter does with each call of a table; nothing is started, and no call made."""
    return tuple(
        Answer(each, _answer(compiled, each.call), reason(profile, each.call)) for each in expected
    )


def _answer(compiled: Program, call: Call) -> str:
    """By the filter itself; one that restricts nothing has no instruction."""
    if not compiled:
        return "allow"
    return str(verdict(machine.run(compiled, call.abi, call.nr, call.args)))


def explanation(profile: Profile, compiled: Program, call: Call) -> Mapping[str, object]:
    """The decision about one call as plain data; ``by_arguments``: the rules that may decide.

    ``args`` is null, and so are ``remedy`` and what depends on it, if none were given.
    """
    found, given = reason(profile, call), call.given is not None
    return {
        "profile": profile.name,
        "path": profile.path,
        "abi": call.abi,
        "nr": call.nr,
        "syscall": call.name,
        "args": list(call.args) if given else None,
        "action": _answer(compiled, call),
        "line": found.line,
        "reason": found.words,
        "by_arguments": [] if given else [each._asdict() for each in by_arguments(profile, call)],
        "remedy": remedies.of_call(profile, call.abi, call.nr, call.args if given else None),
    }


def explained(profile: Profile, compiled: Program, call: Call, width: int) -> str:
    """The same for a person."""
    found = explanation(profile, compiled, call)
    rules = by_arguments(profile, call) if call.given is None else ()
    sheet = Sheet(width, _LABEL_WIDTH)
    what = call.name if call.given is None else call_text(call.abi, call.name, call.args)
    foreign = "" if call.abi == profile.abis[0] else f" of {call.abi}"
    rest = ", where no argument says otherwise" if rules else ""
    sheet.line(f"{profile.name}: {what}{foreign}: {found['action']}{rest}")
    for rule in rules:
        sheet.field(f"line {rule.line}", f"{rule.action} if {rule.words}")
    sheet.field(_place(found["line"]), str(found["reason"]))
    if found["remedy"]:
        sheet.field("to allow", str(found["remedy"]))
    return sheet.text()


def _place(line: object) -> str:
    return f"line {line}" if line else "because"


def tested(profile: Profile, table: str, found: Sequence[Answer], width: int) -> str:
    """The calls that are not as expected, and how many are. ``table``: the file of the calls."""
    sheet = Sheet(width, _LABEL_WIDTH)
    wrong = [each for each in found if not each.is_as_expected]
    for each in wrong:
        expected = each.expected
        place = printable(f"{table}:{expected.line}" if expected.line else table)
        sheet.line(
            f"{place}: {printable(expected.text)}: {each.action}, expected {expected.action}"
        )
        sheet.field(_place(each.reason.line), each.reason.words)
    noun = "call" if len(found) == 1 else "calls"
    sheet.line(
        f"{profile.name}: {len(found) - len(wrong)} of {len(found)} {noun} are as expected"
        if len(found) > 1
        else f"{profile.name}: the call is {'not ' if wrong else ''}as expected"
    )
    return sheet.text()


def test_object(profile: Profile, found: Sequence[Answer]) -> Mapping[str, object]:
    """``calls``: every call of the table; ``passed`` if all are as expected."""
    return {
        "profile": profile.name,
        "passed": all(each.is_as_expected for each in found),
        "calls": [
            {
                "call": each.expected.text,
                "table_line": each.expected.line,
                "expected": each.expected.action,
                "action": each.action,
                "line": each.reason.line,
                "reason": each.reason.words,
            }
            for each in found
        ],
    }
