"""``make mutations``: change the sources a little, and see whether a test notices.

A sample, by a fixed seed: a larger one contains the smaller. What is known is kept, so that a
run goes on where the last one ended. Needs root, for namespaces and for the kernel tests.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench.mutations import plan
from tests.bench.mutations.ground import Grounds
from tests.bench.mutations.results import NOTICED, SURVIVED, Journal, Verdict, report, why
from tests.bench.mutations.touched import Touched
from tests.bench.mutations.trial import Chooser, Trial, lines_of
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.mutations.mutant import Mutant

SEED = 20251
FOLDER = ROOT / "build" / "mutations"
LEFT = "left"


def chosen(parts: list[str], sample: int) -> list[tuple[str, Mutant]]:
    """As many of each part as its share of all, at least five; in an order that mixes the parts.

    By a digest of each, so that a change of one source leaves the sample of the others.
    """
    found = {part: sorted(plan.of(part), key=_lot) for part in parts}
    total = sum(map(len, found.values()))
    picked = []
    for part, mutants in found.items():
        picked += [(part, m) for m in mutants[: max(5, round(sample * len(mutants) / total))]]
    return sorted(picked, key=lambda pair: _lot(pair[1]))


def known(parts: list[str], journal: Journal) -> list[tuple[str, Mutant]]:
    """Those that were ever tried and are there still, of whatever sample."""
    found = [(part, m) for part in parts for m in plan.of(part) if journal.of(m.key)]
    return sorted(found, key=lambda pair: _lot(pair[1]))


def _lot(mutant: Mutant) -> bytes:
    return hashlib.sha256(f"{SEED} {mutant.key}".encode()).digest()


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="make mutations", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="how many, of all parts together")
    parser.add_argument("--part", action="append", choices=plan.PARTS, help="only this; repeatable")
    parser.add_argument("--known", action="store_true", help="all that was tried before instead")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin none after that")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
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
    parts = asked.part or list(plan.PARTS)
    sample = known(parts, journal) if asked.known else chosen(parts, asked.sample)
    if not asked.report:
        _try(sample, journal, asked)
    text = report(sample, journal)
    (FOLDER / "report.md").write_text(text)
    print(text, end="")


def _try(sample: list[tuple[str, Mutant]], journal: Journal, asked: argparse.Namespace) -> None:
    depth = "unit" if asked.unit else "kernel"
    end = time.monotonic() + 60 * asked.minutes if asked.minutes else float("inf")
    lines = lines_of(sample)
    grounds = Grounds(FOLDER, asked.jobs)
    learnt = _learnt(grounds, plan.files({part for part, _ in sample}, depth))
    chooser = Chooser(learnt, lines)
    for _, mutant in sample:
        if (verdict := journal.of(mutant.key)) is not None and verdict.outcome == NOTICED:
            chooser.noticed(mutant.path, verdict.by)

    def one(part: str, mutant: Mutant) -> str | None:
        chosen_tests = chooser.of(part, mutant)
        if journal.settled(mutant.key, chosen_tests.digest, depth):
            return None
        if time.monotonic() > end:
            return LEFT
        if why(mutant) is not None:
            journal.add(Verdict(mutant.key, SURVIVED, "explained", chosen_tests.digest, depth))
            return f"explained: {mutant.what}"
        with grounds.one() as ground:
            verdict = Trial(ground, depth).of(mutant, chosen_tests)
        journal.add(verdict)
        if verdict.outcome == NOTICED:
            chooser.noticed(mutant.path, verdict.by)
        return f"{verdict.outcome}: {mutant.what} ({verdict.by})"

    with ThreadPoolExecutor(asked.jobs) as pool:
        said = list(_shown(pool.map(lambda pair: one(*pair), sample)))
    if left := said.count(LEFT):
        print(f"{left} are left for the next run", file=sys.stderr)


def _shown(lines: Iterable[str | None]) -> Iterator[str | None]:
    for line in lines:
        if line not in (None, LEFT):
            print(line, flush=True)
        yield line


def _learnt(grounds: Grounds, paths: list[str]) -> Touched:
    """Which tests run which lines; watching them takes a while where it is not yet known."""
    tests = Touched(FOLDER / "touched")

    def learn(path: str) -> None:
        with grounds.one() as ground:
            tests.learn(ground, path)
        failing = [test.name for test in tests.of(path) if test.fails]
        print(f"watched {path}", *(f"fails without a change: {n}" for n in failing), sep="\n  ")

    missing = [path for path in paths if not tests.load(path)]
    with ThreadPoolExecutor(grounds.count) as pool:
        list(pool.map(learn, missing))
    return tests


if __name__ == "__main__":
    main()
