"""Which tests run which lines: learnt once for each file of tests, and again when it changes.

Lines are known by their text, so that what was learnt outlives a change elsewhere in the file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.mutations.ground import Ground
    from tests.bench.mutations.place import Place

_LIMIT_S = 1800


class Test(NamedTuple):
    """What is known of one test."""

    name: str
    seconds: float
    lines: frozenset[str]
    """Those of tracer/ that it runs."""
    fails: bool
    """Without a change, so that it says nothing."""

    @property
    def kernel(self) -> bool:
        """Whether it starts whole runs, as root."""
        return self.name.startswith("tests/kernel/")


class Touched:
    """All tests that were watched; kept in a folder, a file of tests each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._tests: dict[str, list[Test]] = {}

    def tests(self) -> list[Test]:
        """Those that are known."""
        return [test for tests in self._tests.values() for test in tests]

    def of(self, path: str) -> list[Test]:
        """Those of a file."""
        return self._tests[path]

    def load(self, path: str) -> bool:
        """Whether a file of tests, as it is now, was watched before."""
        kept = self._kept(path)
        if not kept.exists():
            return False
        known = json.loads(kept.read_text())
        if known["digest"] != _digest(path):
            return False
        self._tests[path] = [Test(n, s, frozenset(lines), f) for n, s, lines, f in known["tests"]]
        return True

    def learn(self, ground: Ground, path: str) -> None:
        """Watch a file of tests; what fails only while it is watched is a test all the same."""
        index = Index()
        found = ground.watched(path, index.text(ground.checkout), len(index.names), _LIMIT_S)
        failing = {name for name, test in found.items() if test["failed"]}
        if failing:
            failing = ground.failing(sorted(failing), _LIMIT_S)
        tests = [_test(name, test, index, name in failing) for name, test in found.items()]
        known = {
            "digest": _digest(path),
            "tests": [(*t[:2], sorted(t.lines), t.fails) for t in tests],
        }
        self._kept(path).write_text(json.dumps(known))
        self._tests[path] = tests

    def _kept(self, path: str) -> Path:
        return self._folder / (path.replace("/", "-") + ".json")


class Index:
    """Each line of tracer/ has a number, and a name that stays the same while others change."""

    def __init__(self) -> None:
        self._bases: dict[str, int] = {}
        self.names: list[str] = []
        for source in sorted((ROOT / "tracer").rglob("*.py")):
            path = str(source.relative_to(ROOT))
            self._bases[path] = len(self.names)
            self.names += names(path)

    def text(self, checkout: Path) -> str:
        """What the watcher reads: where in its file the lines of each source begin."""
        return "".join(f"{base} {checkout / path}\n" for path, base in self._bases.items())


@cache
def names(path: str) -> list[str]:
    """Of each line of a source, as it is when first asked; they count from 1, so one is of none."""
    seen = Counter[str]()
    found = [""]
    for line in (ROOT / path).read_text().splitlines():
        text = line.strip()
        seen[text] += 1
        found.append(hashlib.sha256(f"{path}\0{text}\0{seen[text]}".encode()).hexdigest()[:8])
    return found


def named(places: set[Place]) -> set[str]:
    """Names of some lines."""
    known = {path: names(path) for path in {path for path, _ in places}}
    return {known[path][line] for path, line in places}


def _test(name: str, test: dict[str, Any], index: Index, fails: bool) -> Test:
    lines = frozenset(index.names[at] for at in test.get("lines", ())) - {""}
    return Test(name, round(test.get("seconds", 0.0), 3), lines, fails)


def _digest(path: str) -> str:
    return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()[:12]
