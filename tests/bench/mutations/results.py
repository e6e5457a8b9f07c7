"""What became of the mutants, kept from one run to the next, and what is said of it."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.mutations.mutant import Mutant

_EXPLAINED = Path(__file__).with_name("explained.toml")
NOTICED, SURVIVED, NONE = "noticed", "survived", "none"
"""``none``: it cannot be compiled and loaded, or is the same program, so it is no mutant."""


class Verdict(NamedTuple):
    """What became of one mutant."""

    key: str
    outcome: str
    by: str
    """The test, or how it was noticed otherwise; of a survivor, the last that was tried."""
    tests: str
    """Digest of the tests and sources: a survivor of others is tried again."""
    depth: str
    """``unit`` or ``kernel``: how far it was followed."""


class Journal:
    """Verdicts, one a line, the last one of a mutant counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {v.key: v for v in (Verdict(**json.loads(line)) for line in lines)}

    def add(self, verdict: Verdict) -> None:
        """Note a verdict at once: a run may end at any time."""
        self._known[verdict.key] = verdict
        with self._path.open("a") as file:
            file.write(json.dumps(verdict._asdict()) + "\n")

    def settled(self, key: str, tests: str, depth: str) -> bool:
        """Whether there is nothing new to learn of a mutant."""
        known = self._known.get(key)
        if known is None:
            return False
        same = known.tests == tests and depth in (known.depth, "unit")
        return known.outcome != SURVIVED or same

    def of(self, key: str) -> Verdict | None:
        """The verdict on a mutant; None if there is none yet."""
        return self._known.get(key)


def explained() -> dict[tuple[str, str, str], str]:
    """(path, line before, line after) -> why no test can, or need, notice it."""
    with _EXPLAINED.open("rb") as file:
        return {
            (entry["path"], entry["line"], after): entry["why"]
            for entry in tomllib.load(file).get("mutant", [])
            for after in entry["after"]
        }


def why(mutant: Mutant) -> str | None:
    """Why a survivor is none to worry about; None if nobody said so."""
    known = explained()
    for after in (mutant.after, "*"):
        if (found := known.get((mutant.path, mutant.before, after))) is not None:
            return found
    return None


def report(chosen: Iterable[tuple[str, Mutant]], journal: Journal) -> str:
    """A table of the parts in Markdown, and the survivors that nobody explained."""
    tried, noticed, reasoned = Counter[str](), Counter[str](), Counter[str]()
    open_: list[str] = []
    for part, mutant in chosen:
        verdict = journal.of(mutant.key)
        if verdict is None or verdict.outcome == NONE:
            continue
        tried[part] += 1
        if verdict.outcome == NOTICED:
            noticed[part] += 1
        elif why(mutant) is not None:
            reasoned[part] += 1
        else:
            open_.append(f"- {mutant.what}")
    rows = ["| part | changed | noticed | | explained | neither |", "|---|---|---|---|---|---|"]
    for name in [*tried, "all"]:
        of = [c.total() if name == "all" else c[name] for c in (tried, noticed, reasoned)]
        share = f"{of[1] / of[0]:.0%}" if of[0] else ""
        rows.append(f"| {name} | {of[0]} | {of[1]} | {share} | {of[2]} | {of[0] - of[1] - of[2]} |")
    return "\n".join([*rows, "", *open_]) + "\n"
