"""Tries one mutant after the other: the tests that run the changed lines, the likeliest first."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.mutations import place, plan, touched
from tests.bench.mutations.ground import FAILED, HUNG
from tests.bench.mutations.results import NONE, NOTICED, SURVIVED, Verdict
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.bench.mutations.ground import Ended, Ground
    from tests.bench.mutations.mutant import Mutant
    from tests.bench.mutations.touched import Test, Touched

_NO_TESTS = 5
"""Exit status of pytest that found none."""
_ONE_TEST_S = 60
_LIKELIEST = 16
_SLOWER = 20
_ENOUGH_S = 40
"""What the tests of one mutant may take without a change, those of the unit and of the kernel."""


class Chosen(NamedTuple):
    """The tests that are to notice a mutant."""

    unit: list[Test]
    kernel: list[Test]

    @property
    def digest(self) -> str:
        """Changes with them, so that a survivor is tried again."""
        files = sorted({test.name.partition("::")[0] for test in (*self.unit, *self.kernel)})
        return hashlib.sha256(b"".join((ROOT / f).read_bytes() for f in files)).hexdigest()[:12]

    def without(self, test: Test) -> Chosen:
        """The others."""
        return Chosen(self.unit, [one for one in self.kernel if one is not test])


def lines_of(sample: Iterable[tuple[str, Mutant]]) -> dict[str, set[str]]:
    """Where each mutant takes effect. To be asked first: the sources may change meanwhile."""
    return {m.key: touched.named(place.of(m)) for part, m in sample if part != "bpf"}


class Chooser:
    """Knows which tests run which lines, and which of them noticed something before."""

    def __init__(self, known: Touched, lines: Mapping[str, set[str]]) -> None:
        """``lines``: of each mutant, by ``lines_of``."""
        self._tests = [test for test in known.tests() if not test.fails]
        self._lines = lines
        self._noticed: dict[str, Counter[str]] = {}

    def noticed(self, path: str, test: str) -> None:
        """A test noticed a change of a source, so it is asked first about the next."""
        self._noticed.setdefault(path, Counter())[test] += 1

    def of(self, part: str, mutant: Mutant) -> Chosen:
        """Those of the unit and of the kernel, the likeliest first, within their time."""
        running = self._running(part, mutant)
        ordered = _dealt(running) if running else _varied(self._around(part, mutant))
        noticed = self._noticed.get(mutant.path, Counter())
        likeliest = sorted(ordered, key=lambda test: -noticed[test.name])
        unit = [test for test in likeliest if not test.kernel]
        kernel = [test for test in likeliest if test.kernel]
        return Chosen(_enough(unit, _ENOUGH_S), _enough(kernel, _ENOUGH_S))

    def _running(self, part: str, mutant: Mutant) -> list[Test]:
        """And those named after its module, which may look at a constant that nobody names."""
        names = self._lines.get(mutant.key, set())
        found = [test for test in self._tests if test.lines & names]
        near = plan.near(mutant.path, part)
        own = tuple(f"{path}::" for path in near if path.endswith(".py"))
        return found and [*found, *(t for t in self._tests if t.name.startswith(own or "-"))]

    def _around(self, part: str, mutant: Mutant) -> list[Test]:
        """Where nobody was seen to run it: C, and what runs at set-up alone until it changes."""
        near = (*plan.near(mutant.path, part), *(f"{path}::" for path in plan.far(part)))
        return [test for test in self._tests if test.name.startswith(near)]


def _worth(test: Test) -> float:
    """The fewer lines a test runs, the more it says of each."""
    return len(test.lines)


def _varied(tests: Iterable[Test]) -> list[Test]:
    """Where nobody knows what they run: of each function the briefest, then the next."""
    functions: dict[str, list[Test]] = {}
    for test in sorted(tests, key=lambda test: test.seconds):
        functions.setdefault(test.name.partition("[")[0], []).append(test)
    return _by_turns(functions)


def _dealt(tests: Iterable[Test]) -> list[Test]:
    """One of each file, then the next of each, as different files look at different things."""
    files: dict[str, list[Test]] = {}
    for test in sorted(tests, key=_worth):
        files.setdefault(test.name.partition("::")[0], []).append(test)
    return _by_turns(files)


def _by_turns(groups: Mapping[str, list[Test]]) -> list[Test]:
    rounds = zip_longest(*groups.values())
    return [test for one in rounds for test in one if test is not None]


def _enough(tests: Iterable[Test], seconds: float) -> list[Test]:
    chosen, spent = [], 0.0
    for test in tests:
        if spent + test.seconds <= seconds:
            chosen.append(test)
            spent += test.seconds
    return chosen


class Trial:
    """Tries mutants in a copy of the checkout."""

    def __init__(self, ground: Ground, depth: str) -> None:
        self._ground, self._depth = ground, depth

    def of(self, mutant: Mutant, chosen: Chosen) -> Verdict:
        """Change the source, run the tests, and change it back."""
        outcome, by = self._outcome(mutant, chosen)
        while outcome == NOTICED and (test := self._fails_anyway(by, chosen)) is not None:
            chosen = chosen.without(test)
            outcome, by = self._outcome(mutant, chosen)
        return Verdict(mutant.key, outcome, by, chosen.digest, self._depth)

    def _fails_anyway(self, by: str, chosen: Chosen) -> Test | None:
        """The test, if it is one of the kernel's that fails now without a change as well."""
        found = [test for test in chosen.kernel if test.name == by]
        if not found or by in self._ground.passing:
            return None
        if self._ground.failing([by], 3 * _ONE_TEST_S):
            return found[0]
        self._ground.passing.add(by)
        return None

    def _outcome(self, mutant: Mutant, chosen: Chosen) -> tuple[str, str]:
        source = (self._ground.checkout / mutant.path).read_bytes()
        self._ground.write(mutant.path, mutant.apply(source))
        try:
            return self._tried(mutant.path, chosen)
        finally:
            self._ground.restore(mutant.path, source)

    def _tried(self, path: str, chosen: Chosen) -> tuple[str, str]:
        if (reason := self._ground.why_none(path)) is not None:
            return NONE, reason
        kernel = chosen.kernel if self._depth == "kernel" else []
        # The likeliest alone first: their files are few, and soon read.
        for tests in (chosen.unit, kernel[:_LIKELIEST], kernel[_LIKELIEST:]):
            if tests and (by := _noticing(tests, self._ground.pytest)) is not None:
                return NOTICED, by
        count = len(chosen.unit) + len(chosen.kernel)
        return SURVIVED, f"{count} tests" if count else "nobody runs it"


def _noticing(tests: list[Test], pytest: Callable[[list[str], float], Ended]) -> str | None:
    """The first of some tests that fails; None if none does."""
    usual = sum(test.seconds for test in tests)
    names = [test.name for test in tests]
    # Each has its own limit: this one is for what even that cannot end, on a busy machine too.
    ended = pytest(["-x", f"--timeout={_ONE_TEST_S}", *names], _SLOWER * usual + 3 * _ONE_TEST_S)
    if ended.status == HUNG:
        return "a test that did not end"
    if ended.status in (0, _NO_TESTS):
        return None
    found = FAILED.search(ended.output)
    return found[1] if found else f"status {ended.status}"
