"""What a check makes of a run: growth, doubt, failure, and how each is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.unit.report.records import KILLED, process, stat
from tracer.model import Loss
from tracer.query.values import Values
from tracer.report import growth, growth_formats
from tracer.report.form import PLAIN
from tracer.store.baseline import Baseline, Surface

if TYPE_CHECKING:
    from tracer.profile.deciding import Way

NONE = Values(frozenset(), {})
NAME = 'a b,c:d%"<\x1b.toml'
EMPTY = Baseline(Path(NAME), Surface(), Surface())
GOOD = KILLED._replace(
    run=KILLED.run._replace(outcome="exited", exit_code=0, term_signal=None), losses=()
)
INEXACT = GOOD._replace(losses=(Loss("kernel", "missed_runs", 1),))


def whole() -> Baseline:
    return EMPTY._replace(accepted=growth.surface(GOOD, NONE))


def test_a_run_that_is_not_exact_never_passes() -> None:
    found = growth.find(INEXACT, whole(), NONE, update=False)
    assert found.grown == ()
    assert found.exit_status == 125
    assert "cannot be told: the run is not exact" in growth.headline(found)


def test_nothing_of_a_run_that_is_not_exact_is_accepted() -> None:
    found = growth.find(INEXACT, EMPTY, NONE, update=True)
    assert not found.is_accepted
    assert found.exit_status == 1
    assert growth.headline(found).startswith("not updated, as the run is not exact")


def test_growth_is_growth_also_in_a_run_that_is_not_exact() -> None:
    assert growth.find(INEXACT, EMPTY, NONE, update=False).exit_status == 1


def test_a_command_that_failed_keeps_its_status_where_nothing_grew() -> None:
    found = growth.find(KILLED._replace(losses=()), whole(), NONE, update=False, own=159)
    assert found.exit_status == 159


def test_what_was_not_seen_is_no_failure() -> None:
    more = Surface(frozenset({("x86_64", "zzz")})) | growth.surface(GOOD, NONE)
    found = growth.find(GOOD, EMPTY._replace(accepted=more), NONE, update=False)
    assert found.exit_status == 0
    assert "zzz" in found.text()


def test_a_name_of_a_file_is_data_in_every_format() -> None:
    found = growth.find(GOOD, EMPTY, NONE, update=False)
    shown = {style: growth_formats.text(found, style, PLAIN) for style in growth_formats.FORMATS}
    assert "\x1b" not in "".join(shown.values())
    root = ElementTree.fromstring(shown["junit"])  # noqa: S314 - our own
    assert root[0].get("name") == NAME.replace("\x1b", "\\x1b")
    first = shown["github"].splitlines()[0]
    assert first.startswith("::error file=a b%2Cc%3Ad%25")


UNIX, PACKET = ("x86_64", "socket", (1, 1, 0)), ("x86_64", "socket", (17, 3, 0x300))
MIXED = ("x86_64", "socket", (1, 3, 0))
SOCKET = ("x86_64", "socket")
MADE = GOOD._replace(syscalls=(*GOOD.syscalls, stat("socket", 41, 2)))
MORE = "one process made it in more ways than are recorded"


def values(*ways: Way, unknown: str | None = None) -> Values:
    return Values(frozenset(ways), {SOCKET: unknown} if unknown else {})


def accepted(*ways: Way, unknown: bool = False, has_values: bool = True) -> Baseline:
    """A baseline that has all calls of MADE, and socket in these ways."""
    whole = growth.surface(MADE, values(*ways, unknown=MORE if unknown else None))
    return EMPTY._replace(accepted=whole, has_values=has_values)


def test_a_new_value_of_an_argument_is_growth_and_named_by_its_word() -> None:
    maker = {PACKET: [process(1, argv=("./sniff",))]}
    found = growth.find(MADE, accepted(UNIX), values(UNIX, PACKET), maker, update=False)
    assert found.exit_status == 1
    (new,) = found.grown
    assert new.words == (
        "socket (x86_64): domain AF_PACKET, type SOCK_RAW, protocol 768, by ./sniff"
    )
    assert growth.headline(found) == "1 argument value beyond it"


def test_values_that_are_new_only_together_are_said_as_that() -> None:
    found = growth.find(MADE, accepted(UNIX, PACKET), values(MIXED), update=False)
    # The protocol of neither is new, and neither is the domain or the type.
    assert [new.together for new in found.grown] == [True]
    assert "domain AF_UNIX, type SOCK_RAW, protocol 0 together" in found.grown[0].words


def test_ways_with_the_same_new_value_are_one_line() -> None:
    other = ("x86_64", "socket", (17, 1, 0))
    made = values(UNIX, other, ("x86_64", "socket", (17, 1, 0x300)))
    found = growth.find(MADE, accepted(UNIX, MIXED, PACKET), made, update=False)
    assert [new.together for new in found.grown] == [True, True]
    found = growth.find(MADE, accepted(UNIX), values(UNIX, other), update=False)
    assert [value.words for new in found.grown for value in new.values] == ["AF_PACKET"]


def test_the_values_of_a_new_call_stand_in_its_line() -> None:
    found = growth.find(MADE, whole(), values(UNIX, PACKET), update=False)
    (new,) = found.grown
    assert (new.kind, new.calls) == ("call", 2)
    assert "domain AF_UNIX or AF_PACKET, type SOCK_STREAM or SOCK_RAW" in new.words


def test_values_that_are_not_all_known_are_never_the_same() -> None:
    """Also where all that are known were accepted; until somebody accepts that they are not."""
    made = values(UNIX, unknown=MORE)
    found = growth.find(MADE, accepted(UNIX), made, update=False)
    assert found.exit_status == 1
    assert f"socket (x86_64): not all values are known, as {MORE}" in found.grown[0].words
    found = growth.find(MADE, accepted(UNIX, unknown=True), made, update=False)
    assert (found.grown, found.exit_status) == ((), 0)
    assert MORE in " ".join(found.text().split())


def test_a_new_value_is_new_also_where_not_all_were_known() -> None:
    found = growth.find(MADE, accepted(UNIX, unknown=True), values(PACKET), update=False)
    assert [new.kind for new in found.grown] == ["value"]


@pytest.mark.parametrize("made", [None, values(UNIX)])
def test_arguments_that_were_lost_leave_it_open(made: Values | None) -> None:
    """Not in the database, or no room in the ring buffer: what was seen is nothing new."""
    lost = MADE._replace(losses=(Loss("kernel", "lost_arguments", 1),) if made else ())
    found = growth.find(lost, accepted(UNIX), made, update=False)
    assert (found.grown, found.exit_status) == ((), 125)
    assert growth.headline(found) == "cannot be told: arguments of its calls are missing"
    assert not growth.find(lost, accepted(UNIX), made, update=True).is_accepted


def test_a_baseline_without_values_passes_and_says_that_none_is_compared() -> None:
    for made in (values(UNIX, unknown=MORE), None):
        found = growth.find(MADE, accepted(has_values=False), made, update=False)
        assert (found.grown, found.exit_status) == ((), 0)
        assert "--update adds those of a run" in " ".join(found.text().split())


def test_an_update_takes_values_into_a_baseline_that_had_none() -> None:
    found = growth.find(MADE, accepted(has_values=False), values(UNIX), update=True)
    assert found.is_accepted
    assert found.beyond.values == {UNIX}
    assert found.not_known == ()


def test_a_value_that_was_not_seen_is_said_where_the_call_was_made_and_known() -> None:
    seen = growth.find(MADE, accepted(UNIX, PACKET), values(UNIX), update=False)
    assert "domain AF_PACKET" in seen.text()
    for record, made in ((GOOD, values()), (MADE, values(UNIX, unknown=MORE))):
        found = growth.find(record, accepted(UNIX, PACKET, unknown=True), made, update=False)
        assert "AF_PACKET" not in found.text()


def test_every_format_has_the_value_and_what_is_not_known() -> None:
    found = growth.find(MADE, accepted(UNIX), values(UNIX, PACKET, unknown=MORE), update=False)
    shown = {style: growth_formats.text(found, style, PLAIN) for style in growth_formats.FORMATS}
    assert all("AF_PACKET" in text and "SOCK_RAW" in text for text in shown.values())
    assert all(MORE in " ".join(text.split()) for text in shown.values())
    assert "title=sbtrace%3A new value of an argument::socket" in shown["github"]
    value, unknown = json.loads(shown["json"])["grown"]
    assert [(each["name"], each["value"], each["words"]) for each in value["values"]] == [
        ("domain", 17, "AF_PACKET"),
        ("type", 3, "SOCK_RAW"),
        ("protocol", 0x300, "768"),
    ]
    assert (unknown["kind"], unknown["unknown"]) == ("unknown", MORE)
    suite = ElementTree.fromstring(shown["junit"])[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("6", "2")
