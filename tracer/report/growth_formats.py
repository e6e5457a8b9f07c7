"""The finding of a check as a build server takes it: GitHub's annotations, JUnit's XML."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.report import form, growth, outcome
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.report.form import Page
    from tracer.report.growth import Finding

FORMATS = ("text", "json", "github", "junit")


class _Case(NamedTuple):
    """One thing that is asked of a run."""

    name: str
    fault: str
    """What it is called where it is not so."""
    failures: tuple[str, ...]
    """What is wrong with it; empty: nothing."""


def text(found: Finding, style: str, page: Page) -> str:
    """The finding in one of FORMATS."""
    if style == "github":
        return "".join(f"{line}\n" for line in _annotations(found))
    if style == "junit":
        return "".join(f"{line}\n" for line in _junit(found))
    return form.given(found, page, as_data=style == "json")


def _cases(found: Finding) -> Iterator[_Case]:
    held = () if found.is_accepted else found.grown
    for kind, name, fault in (
        ("call", "no new call", "new call"),
        ("value", "no new value of an argument", "new value of an argument"),
        ("unknown", "all values of arguments are known", "values of arguments not known"),
        ("refused", "no call newly refused", "call newly refused"),
    ):
        yield _Case(name, fault, tuple(each.words for each in held if each.kind == kind))
    yield _Case("the run is exact", "run not exact", found.doubts)
    ended = () if outcome.is_good(found.record.run) else (outcome.words(found.record.run),)
    yield _Case("the command ends well", "command failed", ended)


def _annotations(found: Finding) -> Iterator[str]:
    """https://docs.github.com/actions: ``::error file=…,title=…::message``."""
    path = str(found.baseline.path)
    for case in _cases(found):
        for failure in case.failures:
            title = _property(f"sbtrace: {case.fault}")
            yield f"::error file={_property(path)},title={title}::{_message(failure)}"
    for note in found.not_known:
        yield f"::notice file={_property(path)},title=sbtrace%3A not known::{_message(note)}"
    yield f"sbtrace: {printable(path)}: {printable(growth.headline(found))}"
    if found.grown and not found.is_accepted:
        yield f"::notice title=sbtrace%3A to accept it::{_message(growth.accepting(found))}"


def _message(value: str) -> str:
    return printable(value).replace("%", "%25")


def _property(value: str) -> str:
    return _message(value).replace(":", "%3A").replace(",", "%2C")


def _junit(found: Finding) -> Iterator[str]:
    cases = list(_cases(found))
    failed = sum(bool(case.failures) for case in cases)
    seconds = (found.record.run.wall_ns or 0) / 1e9
    path = _xml(str(found.baseline.path))
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="sbtrace check" tests="{len(cases)}" failures="{failed}">'
    yield (
        f'  <testsuite name="{path}" tests="{len(cases)}" failures="{failed}" errors="0" '
        f'skipped="0" time="{seconds:.3f}">'
    )
    for case in cases:
        yield from _case(path, case)
    if found.not_known:
        yield f"    <system-out>not known: {_xml('; '.join(found.not_known))}</system-out>"
    yield "  </testsuite>"
    yield "</testsuites>"


def _case(path: str, case: _Case) -> Iterator[str]:
    start = f'    <testcase classname="{path}" name="{_xml(case.name)}"'
    if not case.failures:
        yield f"{start}/>"
        return
    yield f"{start}>"
    yield f'      <failure message="{_xml(case.failures[0])}">'
    yield from (_xml(failure) for failure in case.failures)
    yield "      </failure>"
    yield "    </testcase>"


def _xml(value: str) -> str:
    from xml.sax.saxutils import escape

    return escape(printable(value), {'"': "&quot;"})
