"""What the shipped profiles owe to whoever reads them."""

from __future__ import annotations

import re

import pytest

from tracer.profile import load
from tracer.profile.records import FULL_MASK

RESTRICTING = [
    *("STRICT", "RESOURCE-AWARE", "NETWORK-CLIENT", "NETWORK-SERVER"),
    *("BUILD", "INTERPRETER", "DOCKER-DEFAULT"),
]
REASON = re.compile(r"""^[^#]*["\]],?\s+\# (?P<reason>\S.*)$""")


@pytest.mark.parametrize("name", RESTRICTING)
def test_beside_every_entry_that_allows_stands_why_it_is_safe(name: str) -> None:
    """On its own line, so that nothing can be added without saying it."""
    profile = load(name)
    lines = profile.source.splitlines()
    silent = [
        lines[rule.line - 1]
        for rule in profile.rules
        if rule.action.permits and not REASON.match(lines[rule.line - 1])
    ]
    assert not silent


@pytest.mark.parametrize("name", RESTRICTING)
def test_no_group_lets_a_call_through_that_nobody_looked_at(name: str) -> None:
    """A group may grow; a name stays what it was."""
    groups = [rule.entry for rule in load(name).rules if rule.action.permits and rule.is_group]
    assert not groups


@pytest.mark.parametrize("name", RESTRICTING)
def test_a_condition_that_refuses_looks_at_no_upper_bits(name: str) -> None:
    """The kernel does not read them of an int, so they would pass it by."""
    for rule in load(name).rules:
        if not rule.action.permits:
            assert all(c.op == "==" and c.mask < FULL_MASK >> 31 for c in rule.conditions)
