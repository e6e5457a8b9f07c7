"""What is known of each kernel, as a table in Markdown."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.kernels import kept
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OTHERS = ("failed", "died", "skipped")


class Known(NamedTuple):
    """One kernel's results."""

    name: str
    release: str
    """Of ``uname -r``, then what its distribution calls the version."""
    sources: str
    """Digest of the sources that were tried."""
    tests: dict[str, dict[str, Any]]

    @property
    def failed(self) -> bool:
        """Whether a test did, or took the kernel with it; or none came to an end."""
        outcomes = {line["outcome"] for line in self.tests.values()}
        return not outcomes or bool(outcomes & {"failed", "died"})


def digest() -> str:
    """Of all that a kernel may see differently."""
    whole = hashlib.sha256()
    for folder, pattern in (("bpf", "*.[ch]"), ("tracer", "*.py")):
        for path in sorted((ROOT / folder).rglob(pattern)):
            whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def read(folder: Path) -> Known | None:
    """Return what was found; None if it was never tried."""
    about = folder / "about.json"
    if not about.exists():
        return None
    said = json.loads(about.read_text(encoding="utf-8"))
    uname = folder / "uname"
    release = uname.read_text(encoding="utf-8").strip() if uname.exists() else said["release"]
    return Known(folder.name, release, said["sources"], kept.read(folder / "results.jsonl"))


def table(known: Iterable[Known]) -> Iterator[str]:
    """Yield a line for each kernel, then one for each test that did not pass."""
    known = list(known)
    files = list(dict.fromkeys(_file(test) for each in known for test in each.tests))
    yield f"| kernel | {' | '.join(files)} |"
    yield "|---" * (1 + len(files)) + "|"
    for each in known:
        cells = [_cell(each, file) for file in files]
        yield f"| {each.name}: {each.release} | {' | '.join(cells)} |"
    yield ""
    for each in known:
        yield from _not_passed(each)


def _file(test: str) -> str:
    return test.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")


def _cell(known: Known, file: str) -> str:
    count = Counter(line["outcome"] for test, line in known.tests.items() if _file(test) == file)
    parts = [f"{count['passed']} passed"] if count["passed"] else []
    parts += [f"{count[outcome]} {outcome}" for outcome in _OTHERS if count[outcome]]
    return ", ".join(parts) or "not run"


def _not_passed(known: Known) -> Iterator[str]:
    for test, line in known.tests.items():
        if line["outcome"] != "passed":
            why = " ".join((line.get("why") or "the guest did not come to the end of it").split())
            yield f"- {known.name}, {line['outcome']}: `{test.partition('::')[2]}`: {why[:300]}"
