"""``make mutations``: change the sources a little, and see whether a test notices.

A sample, by a fixed seed: a larger one contains the smaller. What is known is kept, so that a
run goes on where the last one ended. Needs root, for namespaces and for the kernel tests.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.mutations import plan
from tests.bench.mutations.ground import HUNG, Ground
from tests.bench.mutations.results import NONE, NOTICED, SURVIVED, Journal, Verdict, report
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.mutations.mutant import Mutant

SEED = 20251
FOLDER = ROOT / "build" / "mutations"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_NO_TESTS = 5
"""Exit status of pytest that found none."""
_ONE_TEST_S = 60


class Trial:
    """Tries mutants, one after the other, in a copy of the checkout."""

    def __init__(self, ground: Ground, depth: str) -> None:
        self._ground, self._depth = ground, depth
        self.tests = _digest()
        self._clean: dict[str, tuple[list[str], float]] = {}

    def of(self, part: str, mutant: Mutant) -> Verdict:
        """Change the source, run the tests, and change it back."""
        source = (ROOT / mutant.path).read_bytes()
        targets = list(self._targets(part, mutant.path))
        for target in targets:
            self._learn(target)
        self._ground.write(mutant.path, mutant.apply(source))
        try:
            outcome, by = self._outcome(mutant.path, targets)
        finally:
            self._ground.write(mutant.path, source)
        return Verdict(mutant.key, outcome, by, self.tests, self._depth)

    def _targets(self, part: str, path: str) -> Iterator[str]:
        yield from plan.near(path, part)
        if self._depth == "kernel":
            yield from plan.far(part)

    def _outcome(self, path: str, targets: list[str]) -> tuple[str, str]:
        if not self._ground.compiles(path):
            return NONE, "compiler"
        for target in targets:
            without, usual = self._clean[target]
            ended = self._ground.pytest(
                ["-x", f"--timeout={_ONE_TEST_S}", *without, target], 3 * usual + _ONE_TEST_S
            )
            if ended.status == HUNG:
                return NOTICED, f"{target}, which did not end"
            if ended.status not in (0, _NO_TESTS):
                found = _FAILED.search(ended.output)
                return NOTICED, found[1] if found else f"{target}: status {ended.status}"
        return SURVIVED, targets[-1] if targets else "nobody"

    def _learn(self, target: str) -> None:
        """How long a target takes without a change, and what fails even so: it says nothing."""
        if target in self._clean:
            return
        ended = self._ground.pytest([f"--timeout={_ONE_TEST_S}", target], 600)
        failing = _FAILED.findall(ended.output)
        for name in failing:
            print(f"  fails without a change, so it is left out: {name}", flush=True)
        self._clean[target] = ([f"--deselect={name}" for name in failing], ended.seconds)


def _digest() -> str:
    """What the verdict on a survivor depends on."""
    summed = hashlib.sha256()
    for folder in ("tests/unit", "tests/kernel", "tests/programs", "tracer", "bpf"):
        for path in sorted((ROOT / folder).rglob("*.[pch]*")):
            if path.suffix in {".py", ".c", ".h"}:
                summed.update(path.read_bytes())
    return summed.hexdigest()[:12]


def chosen(parts: list[str], sample: int) -> list[tuple[str, Mutant]]:
    """As many of each part as its share of all; at least five."""
    found = {part: plan.of(part) for part in parts}
    total = sum(map(len, found.values()))
    picked = []
    for part, mutants in found.items():
        random.Random(SEED).shuffle(mutants)  # noqa: S311 - a sample, not a secret
        picked += [(part, m) for m in mutants[: max(5, round(sample * len(mutants) / total))]]
    return picked


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="make mutations", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="how many, of all parts together")
    parser.add_argument("--part", action="append", choices=plan.PARTS, help="only this; repeatable")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin none after that")
    parser.add_argument("--unit", action="store_true", help="unit tests only, for a first look")
    parser.add_argument("--report", action="store_true", help="try none, say what is known")
    parser.add_argument("--fresh", action="store_true", help="forget what is known")
    return parser.parse_args()


def main() -> None:
    """Try the sample, and say what was noticed."""
    asked = options()
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / "verdicts.jsonl"
    if asked.fresh:
        kept.unlink(missing_ok=True)
    journal = Journal(kept)
    sample = chosen(asked.part or list(plan.PARTS), asked.sample)
    if not asked.report:
        _try(sample, journal, asked)
    text = report(sample, journal)
    (FOLDER / "report.md").write_text(text)
    print(text, end="")


def _try(sample: list[tuple[str, Mutant]], journal: Journal, asked: argparse.Namespace) -> None:
    depth = "unit" if asked.unit else "kernel"
    end = time.monotonic() + 60 * asked.minutes if asked.minutes else float("inf")
    ground = Ground(FOLDER)
    ground.prepare()
    trial = Trial(ground, depth)
    todo = [(p, m) for p, m in sample if not journal.settled(m.key, trial.tests, depth)]
    for number, (part, mutant) in enumerate(todo, 1):
        if time.monotonic() > end:
            print(f"{len(todo) - number + 1} are left for the next run", file=sys.stderr)
            break
        verdict = trial.of(part, mutant)
        journal.add(verdict)
        print(f"{number}/{len(todo)} {verdict.outcome}: {mutant.what} ({verdict.by})", flush=True)


if __name__ == "__main__":
    main()
