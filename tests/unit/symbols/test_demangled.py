"""C++ and Rust names as the source has them; every other name as it is, whatever it holds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.symbols.demangled import demangled

LONGEST = 1 << 16
"""More than the package gives."""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("_Z3fooi", "foo(int)"),
        ("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()"),
        ("_ZN3foo3barEv.cold", "foo::bar() (.cold)"),
        (
            "_ZNSt6vectorIiSaIiEE9push_backERKi",
            "std::vector<int, std::allocator<int>>::push_back(int const&)",
        ),
        ("_ZN4core3fmt9Formatter3pad17h9b2b3a0e5b4d1b31E", "core::fmt::Formatter::pad"),
        ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
        ("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>"),
        ("main", "main"),
        ("_Zfoo", "_Zfoo"),
        ("_Reset", "_Reset"),
        ("", ""),
    ],
)
def test_a_mangled_name_is_read_and_another_one_kept(name: str, shown: str) -> None:
    assert demangled(name) == shown


@pytest.mark.parametrize(
    "name",
    ["_Z" + "P" * 70_000 + "i", "_Z1f" + "S_I" * 2000, "_R" + "B_" * 4000, "_ZN" + "1a" * 5000],
    ids=["deep", "substituted", "back-references", "unfinished"],
)
def test_a_hostile_name_costs_little_and_raises_nothing(name: str) -> None:
    assert demangled(name) == name


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["_Z", "_ZN", "_R", "__Z", "_ZN4core17h"]), st.text(max_size=60))
def test_no_name_whatever_raises(start: str, rest: str) -> None:
    assert len(demangled(start + rest)) < LONGEST + len(rest)


def test_what_reads_mangled_names_is_imported_with_the_first_of_them() -> None:
    """It takes 40 ms, which a run of C programs should not wait for."""
    code = (
        "import sys; from tracer.symbols import naming, demangled as d; d.demangled('main');"
        "assert 'demangle' not in sys.modules; d.demangled('_Z3fooi');"
        "assert 'demangle' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
