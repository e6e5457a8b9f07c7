"""Programs that we did not write, under strace and sbtrace at once: `make corpus`.

Each program is run once, with both tools on it (see equality.py, *together*), as an ordinary
user. Three sources, all of them packages:

- the kernel's own selftests (linux-source), each file compiled for 64 and for 32 bits: seccomp,
  ptrace, x86, clone3, futex, rseq, pidfd, signals...
- stress-ng, one stressor at a time
- the tests of Python's standard library, one file at a time

strace stops a call before the filter decides, so to strace a call that a filter refused is one
that returned: where a program filters itself, strace's figure lies between `calls` and
`calls + blocked`. And strace never sees the return of a call that came to its end while SIGKILL
was on its way (docs/counting.md). Both are told apart from what is unequal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.equality import BELOW_STRACE, key
from tests.kernel import oracle
from tests.support import NOBODY, Sbtrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SBTRACE = Path(sys.executable).parent / "sbtrace"
SECONDS = 10
SELFTESTS = "tools/testing/selftests"
# What the selftests include from elsewhere in the kernel's tree.
ALSO = ("arch/x86/include/asm/desc_defs.h",)
SUITES = (
    *("breakpoints", "clone3", "core", "exec", "futex", "ipc", "kcmp", "membarrier", "mqueue"),
    *("nci", "openat2", "pidfd", "prctl", "proc", "ptrace", "rseq", "seccomp", "sigaltstack"),
    *("splice", "syscall_user_dispatch", "timers", "tty", "vDSO", "x86"),
)
HARNESS = "kselftest_harness.h"
# They set the machine's clock, or send it to sleep.
NOT_RUN = {"timers_set-2038", "timers_leap-a-day", "timers_leapcrash", "timers_alarmtimer-suspend"}
PYTHON = "/usr/bin/python3"
# strace counts what these two calls of i386 stand for; the kernel knows the two alone.
SOCKETCALL = (
    "socket bind connect listen accept getsockname getpeername socketpair send recv sendto "
    "recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"
)
IPC = "semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl"
FOLDED = {f"i386:{name}": "i386:socketcall" for name in SOCKETCALL.split()} | {
    f"i386:{name}": "i386:ipc" for name in IPC.split()
}

_FIGURES = """
SELECT abi, name, sum(calls - unfinished)::BIGINT AS returned, sum(errors)::BIGINT AS errors,
    sum(blocked)::BIGINT AS blocked
FROM syscalls WHERE run_id = (SELECT run_id FROM runs) {where} GROUP BY ALL
"""


@dataclass(frozen=True)
class Program:
    """One command line."""

    source: str
    """``selftests``, ``stress-ng`` or ``python``."""
    name: str
    argv: tuple[str, ...]
    make: Callable[[], bool] = field(default=lambda: True, compare=False)
    """Builds it; False if that cannot be done here."""


class Counts(NamedTuple):
    """What one tool says of one syscall."""

    returned: int = 0
    errors: int = 0
    blocked: int = 0


@dataclass(frozen=True)
class Row:
    """One syscall that the two tools do not count alike."""

    syscall: str
    returned: int
    errors: int
    blocked: int
    strace: int
    strace_errors: int

    @property
    def verdict(self) -> str:
        """``filter``: a filter of the program's own explains it; ``killed``: strace has fewer,
        as where SIGKILL was on its way; ``unequal``."""
        calls, errors = self.strace - self.returned, self.strace_errors - self.errors
        if 0 <= calls <= self.blocked and 0 <= errors <= self.blocked:
            return "filter"
        # Blocked calls that strace has not seen are not explained by a death.
        return "killed" if calls <= 0 and errors <= 0 and not self.blocked else "unequal"


@dataclass(frozen=True)
class Outcome:
    """One program under both tools."""

    program: Program
    status: str
    """``compared``, or why not: ``time``, ``not exact``, ``no summary``."""
    syscalls: int = 0
    calls: int = 0
    rows: tuple[Row, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst of its rows; ``equal`` where there is none; its status if not compared."""
        if self.status != "compared":
            return self.status
        found = {row.verdict for row in self.rows}
        return next((word for word in ("unequal", "killed", "filter") if word in found), "equal")


def selftests(folder: Path) -> Iterator[Program]:
    """Unpack and compile what the newest linux-source package has."""
    archives = sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    if not archives:
        print("corpus: no /usr/src/linux-source-*.tar.xz: no selftests", file=sys.stderr)
        return
    tree = _unpack(archives[-1], folder)
    built = folder / "selftests"
    built.mkdir()
    for source in sorted(tree.glob("*/**/*.c")):
        suite = source.relative_to(tree).parts[0]
        name = "_".join(source.relative_to(tree).with_suffix("").parts)
        if suite not in SUITES or name in NOT_RUN:
            continue
        for bits in ("64", "32"):
            program = built / f"{name}_{bits}"
            make = partial(_compile, source, program, tree, bits)
            for test in _tests_in(source, program, make):
                what = " ".join((name, *test[1:], f"({bits} bits)"))
                yield Program("selftests", what, (str(program), *test), make)


def _tests_in(
    source: Path, program: Path, make: Callable[[], bool]
) -> list[tuple[()] | tuple[str, str]]:
    """The options that choose one test each; one that chooses nothing where there is no choice."""
    if HARNESS not in source.read_text(errors="replace") or not make():
        return [()]
    listed = subprocess.run([program, "-l"], capture_output=True, text=True, check=False)
    found = [line.split()[-1] for line in listed.stderr.splitlines()[1:] if line[0] != "-"]
    return [("-t", name) for name in dict.fromkeys(found)] or [()]


def _unpack(archive: Path, folder: Path) -> Path:
    """Bring out the selftests of a kernel's sources. Returns their folder."""
    wanted = [f"{archive.name.removesuffix('.tar.xz')}/{path}" for path in (SELFTESTS, *ALSO)]
    subprocess.run(["tar", "-xf", archive, "-C", folder, *wanted], check=True)
    return folder / wanted[0]


def _compile(source: Path, program: Path, tree: Path, bits: str) -> bool:
    folders = (source.parent, source.parent.parent / "include", tree)
    includes = [f"-I{folder}" for folder in folders]
    command = ["cc", f"-m{bits}", "-w", "-O1", "-pthread", "-D_GNU_SOURCE", *includes]
    command += ["-o", str(program), str(source)]
    return program.exists() or any(
        subprocess.run([*command, *libraries], capture_output=True, check=False).returncode == 0
        for libraries in (("-lrt", "-lcap"), ("-lrt",), ("-static", "-no-pie"))
    )


def stressors() -> Iterator[Program]:
    """Each stressor of stress-ng: two instances, some operations."""
    if not (path := shutil.which("stress-ng")):
        print("corpus: no stress-ng", file=sys.stderr)
        return
    names = subprocess.run([path, "--stressors"], capture_output=True, text=True, check=True)
    for name in names.stdout.split():
        words = (f"--{name}", "2", f"--{name}-ops", "20", "--timeout", "4", "--oom-avoid")
        yield Program("stress-ng", name, (path, "--no-rand-seed", *words))


def python_tests() -> Iterator[Program]:
    """Each test file of the standard library that has to do with the system."""
    listing = [PYTHON, "-c", "import test, pathlib; print(pathlib.Path(test.__file__).parent)"]
    found = subprocess.run(listing, capture_output=True, text=True, check=False)
    for path in sorted(Path(found.stdout.strip() or "/nonexistent").glob("test_*.py")):
        words = path.read_text(errors="replace")
        if any(word in words for word in ("os.", "socket", "signal", "subprocess", "threading")):
            yield Program("python", path.stem, (PYTHON, "-m", "unittest", f"test.{path.stem}"))


def compare(program: Program, folder: Path, seconds: int) -> Outcome:
    """Run it once under both."""
    if not program.make():
        return Outcome(program, "not built")
    work, records = folder / "work", folder / "records"
    for made in (work, records):
        made.mkdir()
    os.chown(work, NOBODY, NOBODY)
    output = work / "strace.txt"
    tracer = ("strace", "-f", "-o", output, *oracle.SUMMARY_OPTIONS, "--")
    try:
        recorded = Sbtrace(records, (SBTRACE,))
        ended = recorded(
            *("run", "-q", "--trace", "full", "--user", str(NOBODY), "--timeout", str(seconds)),
            *("--", *tracer, *program.argv),
            cwd=work,
            timeout=seconds + 60,
        )
        if ended.returncode == 124:
            return Outcome(program, "time")
        return _outcome(program, recorded, output)
    finally:
        for made in (work, records):
            shutil.rmtree(made, ignore_errors=True)


def _outcome(program: Program, recorded: Sbtrace, output: Path) -> Outcome:
    if recorded.sql("SELECT * FROM losses WHERE collector = 'kernel' AND kind != 'lost_details'"):
        return Outcome(program, "not exact")
    text = output.read_text(errors="replace") if output.exists() else ""
    if "calls" not in text:
        return Outcome(program, "no summary")
    theirs = {
        key(abi, name): Counts(tally.calls, tally.errors)
        for abi, table in oracle.parse_summary(text).items()
        for name, tally in table.items()
    }
    mine = {
        key(row["abi"], row["name"]): Counts(row["returned"], row["errors"], row["blocked"])
        for row in recorded.sql(_FIGURES.format(where=BELOW_STRACE))
        if "syscall_0x" not in row["name"]  # strace leaves out what it has no name for
    }
    calls = sum(counts.returned for counts in theirs.values())
    rows = tuple(_differences(folded(mine), folded(theirs)))
    return Outcome(program, "compared", len(theirs), calls, rows)


def folded(table: dict[str, Counts]) -> dict[str, Counts]:
    """Put the parts of socketcall and ipc together, however they are named."""
    found: dict[str, Counts] = {}
    for name, counts in table.items():
        at = FOLDED.get(name, name)
        found[at] = Counts(*map(sum, zip(counts, found.get(at, Counts()), strict=True)))
    return found


def _differences(mine: dict[str, Counts], theirs: dict[str, Counts]) -> Iterator[Row]:
    for name in sorted({*mine, *theirs}):
        ours, other = mine.get(name, Counts()), theirs.get(name, Counts())
        if ours[:2] != other[:2]:
            yield Row(name, *ours, *other[:2])


def lines(outcome: Outcome) -> Iterator[str]:
    """One program as text: a line, and one for each syscall that differs."""
    what = f"{outcome.program.source}: {outcome.program.name}"
    yield f"{what:48} {outcome.verdict:9} {outcome.syscalls:3} syscalls, {outcome.calls:,} calls"
    for row in outcome.rows:
        yield (
            f"    {row.verdict:8} {row.syscall:22} sbtrace {row.returned} ({row.errors} errors, "
            f"{row.blocked} blocked), strace {row.strace} ({row.strace_errors} errors)"
        )


def as_data(outcome: Outcome) -> dict[str, object]:
    """One program for JSON."""
    return {
        "source": outcome.program.source,
        "name": outcome.program.name,
        "verdict": outcome.verdict,
        "syscalls": outcome.syscalls,
        "calls": outcome.calls,
        "differences": [vars(row) | {"verdict": row.verdict} for row in outcome.rows],
    }


def summary(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A Markdown table: how many programs of each source came to which verdict."""
    verdicts = Counter((o.program.source, o.verdict) for o in outcomes)
    words = sorted({verdict for _source, verdict in verdicts})
    yield "| source | programs | calls | " + " | ".join(words) + " |"
    yield "|---" * (3 + len(words)) + "|"
    for source in dict.fromkeys(o.program.source for o in outcomes):
        mine = [o for o in outcomes if o.program.source == source]
        counts = " | ".join(str(verdicts[source, word]) for word in words)
        yield f"| {source} | {len(mine)} | {sum(o.calls for o in mine):,} | {counts} |"


def programs(folder: Path, sources: Sequence[str]) -> list[Program]:
    """Return every program of ``sources``, built in ``folder``."""
    makers = {
        "selftests": lambda: selftests(folder),
        "stress-ng": stressors,
        "python": python_tests,
    }
    return [program for source in sources for program in makers[source]()]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="only programs whose name has this in it")
    parser.add_argument("--source", action="append", choices=("selftests", "stress-ng", "python"))
    parser.add_argument("--sample", type=int, help="so many of them, drawn with a fixed seed")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each ({SECONDS})")
    parser.add_argument("--json", action="store_true", help="one JSON object a program")
    chosen = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="sbtrace-corpus-") as at:
        folder = Path(at)
        folder.chmod(0o755)
        found = programs(folder, chosen.source or ("selftests", "stress-ng", "python"))
        if chosen.names:
            found = [p for p in found if any(name in p.name for name in chosen.names)]
        if chosen.sample:
            found = random.Random(1).sample(found, min(chosen.sample, len(found)))  # noqa: S311 - the same ones each time
        for program in found:
            outcomes.append(compare(program, folder, chosen.seconds))
            text = json.dumps(as_data(outcomes[-1])) if chosen.json else None
            print(text or "\n".join(lines(outcomes[-1])), flush=True)
    print("\n".join(summary(outcomes)), file=sys.stderr)
    return 1 if any(outcome.verdict == "unequal" for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
