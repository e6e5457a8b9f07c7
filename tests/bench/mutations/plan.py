"""What is changed, and which tests are to notice: the nearest first, as one noticing is enough."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from tests.bench.mutations import c, python
from tests.bench.mutations.mutant import mutants
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.bench.mutations.mutant import Mutant

_RUNS = ("recorded", "blocked", "latency")
PARTS = {
    "tracer/collectors/procfs": ("procfs", "counting_claims", "reconciliation", "recorded"),
    "tracer/sandbox": (
        "filter",
        "target",
        "security",
        "shipped_profiles",
        "confined_root",
        "privileges",
    ),
    "tracer/session": (
        "doctor",
        "run",
        "supervisor",
        "target",
        "security",
        "left_behind",
        "recorded",
    ),
    "tracer/store": ("store_concurrency", "reconciliation", "recorded", "ordinary_user"),
    "tracer/profile": ("filter", "shipped_profiles", "profile_arguments"),
    "tracer/analysis": (),
    "tracer/collectors/kernel": (
        *_RUNS,
        "program",
        "counting_claims",
        "storm",
        "symbols_recorded",
        "paths",
    ),
    "bpf": (
        *_RUNS,
        "hidden_blocks",
        "skipped_events",
        "little_room",
        "edges",
        "paths",
        "symbols_recorded",
        "instants",
        "program",
        "storm",
    ),
}
"""Each part with the kernel tests that run it."""
_NOT_OURS = ("bpf/include/linux", "bpf/include/asm", "bpf/include/uapi", "bpf/built")


_LAYOUT = "tests/unit/collectors/kernel/test_wire.py"
"""The one unit test of C: that Python has its constants and layouts."""
_NOT_OF_SOURCES = "tests/unit/project/"
"""These look at files, not at what the sources do."""


def sources(part: str) -> list[str]:
    """Its sources, from the root of the checkout."""
    found = [p for p in (ROOT / part).rglob("*") if p.suffix in {".py", ".c", ".h"}]
    paths = sorted(str(path.relative_to(ROOT)) for path in found)
    return [path for path in paths if not path.startswith(_NOT_OURS)]


def of(part: str) -> list[Mutant]:
    """All changes of a part."""
    found = []
    for path in sources(part):
        source = (ROOT / path).read_bytes()
        language = python if path.endswith(".py") else c
        found += mutants(path, source, language.edits(source))
    return found


def near(path: str, part: str) -> list[str]:
    """Unit tests: those named after the module, then the others of its folder."""
    if part == "bpf":
        return [_LAYOUT]
    found = []
    folder = Path("tests/unit", *PurePath(path).parts[1:-1])
    own = folder / f"test_{PurePath(path).stem}.py"
    if (ROOT / own).is_file():
        found.append(str(own))
    if (ROOT / folder).is_dir():
        found.append(f"{folder}/")
    return found


def files(parts: Collection[str], depth: str) -> list[str]:
    """All files of tests that may notice something of these parts."""
    kernel = {path for part in parts for path in far(part)} if depth == "kernel" else set()
    found = (ROOT / "tests" / "unit").rglob("test_*.py")
    unit = [str(path.relative_to(ROOT)) for path in found]
    if set(parts) == {"bpf"}:
        unit = [_LAYOUT]
    return sorted(p for p in unit if not p.startswith(_NOT_OF_SOURCES)) + sorted(kernel)


def far(part: str) -> Iterator[str]:
    """Kernel tests, in order."""
    for name in PARTS[part]:
        if (ROOT / (path := f"tests/kernel/test_{name}.py")).is_file():
            yield path
