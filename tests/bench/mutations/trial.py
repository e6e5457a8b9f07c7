"""Tries one mutant after the other: the tests that run the changed lines, the likeliest first."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.mutations import place, plan, touched
from tests.bench.mutations.ground import FAILED, HUNG
from tests.bench.mutations.results import NONE, NOTICED, SURVIVED, Verdict
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.mutations.ground import Ended, Ground
    from tests.bench.mutations.mutant import Mutant
    from tests.bench.mutations.touched import Test, Touched

_NO_TESTS = 5
"""Exit status of pytest that found none."""
_ONE_TEST_S = 60
_ENOUGH_S = {False: 30, True: 30}
"""What the tests of one mutant may take without a change, of the unit and of the kernel."""


class Chosen(NamedTuple):
    """The tests that are to notice a mutant."""

    unit: list[Test]
    kernel: list[Test]

    @property
    def digest(self) -> str:
        """Changes with them, so that a survivor is tried again."""
        files = sorted({test.name.partition("::")[0] for test in (*self.unit, *self.kernel)})
        return hashlib.sha256(b"".join((ROOT / f).read_bytes() for f in files)).hexdigest()[:12]


class Chooser:
    """Knows which tests run which lines, and which of them noticed something before."""

    def __init__(self, known: Touched) -> None:
        self._tests = [test for test in known.tests() if not test.fails]
        self._noticed: dict[str, Counter[str]] = {}

    def noticed(self, path: str, test: str) -> None:
        """A test noticed a change of a source, so it is asked first about the next."""
        self._noticed.setdefault(path, Counter())[test] += 1

    def of(self, part: str, mutant: Mutant) -> Chosen:
        """Those of the unit and of the kernel, the likeliest first, within their time."""
        found = self._of_bpf() if part == "bpf" else self._of_python(part, mutant)
        noticed = self._noticed.get(mutant.path, Counter())
        likely = sorted(found, key=lambda test: (-noticed[test.name], _worth(part, test)))
        kernel = [test for test in likely if test.kernel]
        return Chosen(
            _enough([test for test in likely if not test.kernel], _ENOUGH_S[False]),
            _enough(kernel, _ENOUGH_S[True] * (3 if part == "bpf" else 1)),
        )

    def _of_bpf(self) -> list[Test]:
        files = tuple(f"{path}::" for path in plan.far("bpf"))
        return [test for test in self._tests if test.name.startswith(files)]

    def _of_python(self, part: str, mutant: Mutant) -> list[Test]:
        names = touched.named(place.of(mutant))
        found = [test for test in self._tests if test.lines & names]
        near = tuple(plan.near(mutant.path, part))
        return found or [test for test in self._tests if test.name.startswith(near)]


def _worth(part: str, test: Test) -> float:
    """The fewer lines a test runs, the more it says of each; of BPF the quickest first."""
    return test.seconds if part == "bpf" else len(test.lines)


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
        source = (self._ground.checkout / mutant.path).read_bytes()
        self._ground.write(mutant.path, mutant.apply(source))
        try:
            outcome, by = self._outcome(mutant.path, chosen)
        finally:
            self._ground.write(mutant.path, source)
        return Verdict(mutant.key, outcome, by, chosen.digest, self._depth)

    def _outcome(self, path: str, chosen: Chosen) -> tuple[str, str]:
        if not self._ground.compiles(path):
            return NONE, "compiler"
        for tests in (chosen.unit, chosen.kernel if self._depth == "kernel" else []):
            if tests and (by := _noticing(tests, self._ground.pytest)) is not None:
                return NOTICED, by
        count = len(chosen.unit) + len(chosen.kernel)
        return SURVIVED, f"{count} tests" if count else "nobody runs it"


def _noticing(tests: list[Test], pytest: Callable[[list[str], float], Ended]) -> str | None:
    """The first of some tests that fails; None if none does."""
    usual = sum(test.seconds for test in tests)
    names = [test.name for test in tests]
    ended = pytest(["-x", f"--timeout={_ONE_TEST_S}", *names], 3 * usual + _ONE_TEST_S)
    if ended.status == HUNG:
        return "a test that did not end"
    if ended.status in (0, _NO_TESTS):
        return None
    found = FAILED.search(ended.output)
    return found[1] if found else f"status {ended.status}"
