"""``make kernels``: sbtrace on other kernels, booted in QEMU on a copy of this userland.

Fetches what is missing from the mirror that this machine's own apt has, boots one kernel after
the other, and prints a table. Each test's outcome is kept at once, and the next run goes on where
the last one ended. It is emulation, without KVM: a run of sbtrace takes 10 to 30 s there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.kernels import boot, image, kept, results
from tests.bench.kernels.catalogue import FULL, HERE, KERNELS, QUICK, REFUSED, Kernel
from tests.bench.kernels.packages import Packages, Unavailable
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTEST = (
    *(".venv/bin/python", "-m", "pytest", "-p", "tests.bench.kernels.kept", "-q", "--tb=short"),
    *("--timeout=1800", "-p", "no:cacheprovider"),
)
# uname, and how the kernel preempts: the part in brackets, or what it is built for.
_SCRIPT = """
model=$(sed 's/.*(\\(.*\\)).*/\\1/' /sys/kernel/debug/sched/preempt 2>/dev/null)
echo "$(uname -r), $(uname -v | grep -o 'PREEMPT[_A-Z]*')${{model:+ $model}}" >/share/uname
export SBTRACE_TEST_TIMEOUT=900 SBTRACE_KERNEL_RESULTS=/share/results.jsonl
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
exec {command}
"""


def main() -> int:
    """Return 1 where a kernel does not do what is expected of it."""
    options = _options()
    folder = options.cache.resolve()
    chosen = [kernel for kernel in KERNELS if not options.only or kernel.name in options.only]
    if not options.report:
        for kernel in chosen:
            _try(kernel, folder, options)
        if not options.only or HERE in options.only:
            _try_here(folder, options)
    names = [*(kernel.name for kernel in KERNELS), HERE]
    known = [found for name in names if (found := results.read(folder / "results" / name))]
    print("\n".join(results.table(known)))
    return any(found.failed for found in known)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make kernels", description=__doc__)
    names = [*(kernel.name for kernel in KERNELS), HERE]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="the checks of this bench alone")
    parser.add_argument("--minutes", type=float, default=90.0, help="for each kernel")
    parser.add_argument("--sources", type=Path, help="more lines for apt's sources.list")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is known")
    parser.add_argument("--fresh", action="store_true", help="forget what is known")
    parser.add_argument("--go-on", action="store_true", help="also where sources have changed")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "kernels")
    parser.add_argument("words", nargs="*", help="for pytest, after --, in place of the selection")
    return parser.parse_args()


def _selection(options: argparse.Namespace, kernel: Kernel | None) -> Sequence[str]:
    if options.words:
        return tuple(options.words)
    if kernel is not None and kernel.is_refused:
        return REFUSED
    return QUICK if options.quick else FULL


def _share(name: str, release: str, folder: Path, options: argparse.Namespace) -> Path:
    """Return the folder of a kernel's results; empty unless they are of these sources."""
    share: Path = folder / "results" / name
    before = results.read(share)
    sources = results.digest()
    is_stale = before is not None and before.sources != sources and not options.go_on
    if options.fresh or is_stale:
        shutil.rmtree(share, ignore_errors=True)
    share.mkdir(parents=True, exist_ok=True)
    (share / "about.json").write_text(json.dumps({"release": release, "sources": sources}))
    return share


def _try(kernel: Kernel, folder: Path, options: argparse.Namespace) -> None:
    """Boot it until all has a result, or the time is over."""
    try:
        files = Packages(folder / "kernels", options.sources).fetch(kernel)
    except Unavailable as error:
        print(f"{kernel.name}: not run: {error}", file=sys.stderr)
        return
    share = _share(kernel.name, files.name, folder, options)
    command = " ".join(map(_quoted, (*_PYTEST, *_selection(options, kernel))))
    (share / "script").write_text(_SCRIPT.format(command=command))
    disks = boot.Disks(image.userland(folder), image.checkout(folder))
    end = time.monotonic() + 60 * options.minutes
    while (left := end - time.monotonic()) > 0:
        before = len(kept.read(share / "results.jsonl"))
        print(f"{kernel.name}: {files.name} boots, {before} results so far", file=sys.stderr)
        if boot.boot(files, kernel.words, disks, share, left) is not None:
            return
        if len(kept.read(share / "results.jsonl")) == before:
            print(f"{kernel.name}: came to nothing: {share}/console", file=sys.stderr)
            return


def _try_here(folder: Path, options: argparse.Namespace) -> None:
    share = _share(HERE, os.uname().release, folder, options)
    subprocess.run(
        [*_PYTEST, *_selection(options, None)],
        cwd=ROOT,
        env={**os.environ, kept.RESULTS: os.fspath(share / "results.jsonl")},
        check=False,
    )


def _quoted(word: str) -> str:
    return f"'{word}'"


if __name__ == "__main__":
    sys.exit(main())
