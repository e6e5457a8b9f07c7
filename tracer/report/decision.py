"""What a profile does with a call, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.decode.call import call_text
from tracer.profile import machine
from tracer.profile.reason import Reason, by_arguments, reason
from tracer.profile.verdicts import verdict
from tracer.report import remedies
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.profile import Profile
    from tracer.profile.calls import Call
    from tracer.profile.expected import Expected
    from tracer.profile.machine import Program
    from tracer.report.form import Page

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


class Tested(NamedTuple):
    """A table of calls, tried on a profile's filter."""

    profile: Profile
    table: str
    """The file of the calls."""
    answers: tuple[Answer, ...]

    @classmethod
    def of(
        cls, profile: Profile, compiled: Program, table: str, expected: Sequence[Expected]
    ) -> Tested:
        """What the filter does with each call; nothing is started, and no call made."""
        found = (
            Answer(each, _answer(compiled, each.call), reason(profile, each.call))
            for each in expected
        )
        return cls(profile, table, tuple(found))

    @property
    def passed(self) -> bool:
        """Whether all calls are answered as expected."""
        return all(each.is_as_expected for each in self.answers)

    def data(self) -> Mapping[str, object]:
        """``calls``: every call of the table; ``passed`` if all are as expected."""
        return {
            "profile": self.profile.name,
            "passed": self.passed,
            "calls": [_answer_object(each) for each in self.answers],
        }

    def text(self, page: Page = PLAIN) -> str:
        """The calls that are not as expected, and how many are."""
        sheet = Sheet(page.columns, _LABEL_WIDTH)
        wrong = [each for each in self.answers if not each.is_as_expected]
        for each in wrong:
            _wrong(sheet, self.table, each)
        right, count = len(self.answers) - len(wrong), len(self.answers)
        told = (
            f"{right} of {count} {'call' if count == 1 else 'calls'} are as expected"
            if count > 1
            else f"the call is {'not ' if wrong else ''}as expected"
        )
        sheet.line(f"{self.profile.name}: {told}")
        return sheet.text()


def _wrong(sheet: Sheet, table: str, found: Answer) -> None:
    expected = found.expected
    place = printable(f"{table}:{expected.line}" if expected.line else table)
    sheet.line(f"{place}: {printable(expected.text)}: {found.action}, expected {expected.action}")
    sheet.field(_place(found.reason.line), found.reason.words)


def _answer_object(found: Answer) -> Mapping[str, object]:
    return {
        "call": found.expected.text,
        "table_line": found.expected.line,
        "expected": found.expected.action,
        "action": found.action,
        "line": found.reason.line,
        "reason": found.reason.words,
    }


def _answer(compiled: Program, call: Call) -> str:
    """By the filter itself; one that restricts nothing has no instruction."""
    if not compiled:
        return "allow"
    return str(verdict(machine.run(compiled, call.abi, call.nr, call.args)))


class Explained(NamedTuple):
    """What a profile does with one call."""

    profile: Profile
    call: Call
    action: str
    """What the compiled filter does with it."""
    reason: Reason
    rules: Sequence[Reason]
    """Those that may decide; empty where arguments were given."""
    remedy: str | None
    """What would allow it; None if it is allowed, or without arguments to say."""

    @classmethod
    def of(cls, profile: Profile, compiled: Program, call: Call) -> Explained:
        """The decision about ``call``."""
        given = call.given is not None
        return cls(
            profile,
            call,
            _answer(compiled, call),
            reason(profile, call),
            () if given else by_arguments(profile, call),
            remedies.of_call(profile, call.abi, call.nr, call.args if given else None),
        )

    def data(self) -> Mapping[str, object]:
        """``args`` is null if none were given; ``by_arguments``: the rules that may decide."""
        call = self.call
        return {
            "profile": self.profile.name,
            "path": self.profile.path,
            "abi": call.abi,
            "nr": call.nr,
            "syscall": call.name,
            "args": None if call.given is None else list(call.args),
            "action": self.action,
            "line": self.reason.line,
            "reason": self.reason.words,
            "by_arguments": [each._asdict() for each in self.rules],
            "remedy": self.remedy,
        }

    def text(self, page: Page = PLAIN) -> str:
        """The action first, then by which entry, and what would allow it."""
        call, sheet = self.call, Sheet(page.columns, _LABEL_WIDTH)
        what = call.name if call.given is None else call_text(call.abi, call.name, call.args)
        foreign = "" if call.abi == self.profile.abis[0] else f" of {call.abi}"
        rest = ", where no argument says otherwise" if self.rules else ""
        sheet.line(f"{self.profile.name}: {what}{foreign}: {self.action}{rest}")
        for rule in self.rules:
            sheet.field(f"line {rule.line}", f"{rule.action} if {rule.words}")
        sheet.field(_place(self.reason.line), self.reason.words)
        if self.remedy:
            sheet.field("to allow", self.remedy)
        return sheet.text()


def _place(line: int | None) -> str:
    return f"line {line}" if line else "because"
