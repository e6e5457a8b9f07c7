"""Learn a profile from runs of real programs, prove it, and take every entry away once.

``make loop``. Of each program: recorded runs until some in a row teach ``profile learn`` nothing
new, the profile it makes of them with ``kill_process`` for all else, a verdict that must pass;
then, for each entry whose call that last run made, a verdict on the profile without it, which must
fail and name that call. What a program does not make in each run is tried a few times.

``LOOP="--hold 10"``: of each program, a profile of three runs on a quiet machine must pass ten
times on a busy one, where threads meet as they did not before.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench import programs
from tests.bench.steady import busy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.programs import Program

SBTRACE = Path(sys.executable).parent / "sbtrace"
QUIET_RUNS = 3
"""Learning ends when so many runs in a row taught nothing new."""
MOST_RUNS = 30
"""Learning ends after so many runs, whatever the last ones taught."""
FEW_RUNS = 3
"""Those that ``--hold`` learns from."""
TRIES = 4
"""An entry is taken away in so many runs at most, until one of them makes the call."""
TIMEOUT_S = 30
"""A program that waits for a part of itself that was killed is ended."""
_CONDITION = re.compile(r"arg(\d) & (0x[0-9a-f]+) == (0x[0-9a-f]+)")


class Part(NamedTuple):
    """Something of a learned profile that can be taken away."""

    name: str
    """The call."""
    text: str
    """What stands in the file."""
    begin: int
    """Where it begins there: two rules may have the same line."""
    conditions: tuple[tuple[int, int, int], ...] = ()
    """(argument, mask, value) of one way to make it; none: the whole entry."""

    def __str__(self) -> str:
        shown = ", ".join(f"arg{index} {value:#x}" for index, _mask, value in self.conditions)
        return f"{self.name}({shown})" if shown else self.name


def parts(text: str) -> list[Part]:
    """The entries of a learned profile, and the single ways of those that have several."""
    found = [
        Part(match[1], match[0], match.start())
        for match in re.finditer(r'^    "(\w+)",.*\n', text, re.MULTILINE)
    ]
    rules = r'^# .*\n\[\[rule\]\]\nsyscalls = \["(\w+)"\]\n(?:.*\n)*?\]\n'
    for match in re.finditer(rules, text, re.MULTILINE):
        found.append(Part(match[1], match[0], match.start()))
        ways = list(re.finditer(r"^    \[.*\n", match[0], re.MULTILINE))
        for way in ways if len(ways) > 1 else ():
            numbers = tuple(
                (int(index), int(mask, 16), int(value, 16))
                for index, mask, value in _CONDITION.findall(way[0])
            )
            found.append(Part(match[1], way[0], match.start() + way.start(), numbers))
    return found


class Result(NamedTuple):
    """How the loop closed for one program."""

    name: str
    runs: int
    """How many runs it was learned of."""
    calls: int
    """Distinct calls that the run under the learned profile made."""
    passed: bool
    """Whether it passed under what was learned."""
    refused: tuple[str, ...]
    """What it was refused there."""
    taken_away: int
    named: int
    """Entries whose loss made the verdict fail, with the call named."""
    not_made: tuple[str, ...]
    """Entries whose call no run made again, so that all of them passed."""
    wrong: tuple[str, ...]
    """Entries whose loss passed though the call was made, or was not named."""


class Loop:
    """One program, with a folder and a database of its own."""

    def __init__(self, program: Program, folder: Path, quiet_runs: int) -> None:
        self._program, self._folder, self._quiet_runs = program, folder, quiet_runs
        self._environment = {**os.environ, "SBTRACE_DB": str(folder / "runs.duckdb")}

    def close(self, sample: int | None) -> Result:
        """Learn, verify, take away. ``sample``: at most so many entries."""
        runs, text = self._learned()
        (self._folder / "learned.toml").write_text(text)
        verdict = self._verdict(text)
        made = self._made(verdict["run_id"])
        wanted = [part for part in parts(text) if self._is_made(part, verdict["run_id"])]
        if sample is not None:
            wanted = wanted[:: max(len(wanted) // sample, 1)]
        tried = wanted if verdict["passed"] else []
        found = {str(part): self._without(text, part) for part in tried}
        return Result(
            self._program.name,
            runs,
            len(made),
            verdict["passed"] is True,
            tuple(row["syscall"] for row in verdict["refused"] if row["excuse"] is None),
            len(found),
            sum(how == "named" for how in found.values()),
            tuple(name for name, how in found.items() if how == "not made"),
            tuple(name for name, how in found.items() if how == "wrong"),
        )

    def hold(self, times: int) -> list[tuple[str, ...]]:
        """Learn from a few runs beside nothing, then verify beside busy processors.

        Returns what each verdict refused; empty for one that passes.
        """
        for _ in range(FEW_RUNS):
            self._started("run", "-q", *self._options(), "--")
        text = self._learn()
        with busy(2 * (os.cpu_count() or 1)):
            verdicts = [self._verdict(text) for _ in range(times)]
        return [
            ()
            if each["passed"]
            else tuple(row["syscall"] for row in each["refused"] if row["excuse"] is None)
            or tuple(each["doubts"])
            for each in verdicts
        ]

    def _learn(self) -> str:
        words = ("--command", self._word(), "--since", "1d", "--default", "kill_process")
        return self._sbtrace("profile", "learn", *words)

    def _learned(self) -> tuple[int, str]:
        """How many runs it took until the last ones taught nothing new, and what was learned."""
        known: frozenset[str] = frozenset()
        quiet = runs = 0
        while quiet < self._quiet_runs and runs < MOST_RUNS:
            runs += 1
            self._started("run", "-q", *self._options(), "--")
            text = self._learn()
            now = frozenset(str(part) for part in parts(text))
            quiet = quiet + 1 if now <= known else 0
            known |= now
        return runs, text

    def _word(self) -> str:
        return self._program.command(self._folder / "work")[0]

    def _options(self) -> tuple[str, ...]:
        user = ("--user", self._program.user) if self._program.user else ()
        return (*user, "--cap", "keep") if not self._program.user else user

    def _without(self, text: str, part: Part) -> str:
        """How the verdicts are without a part: ``named``, ``not made``, or ``wrong``."""
        for _ in range(TRIES):
            how = self._once_without(text, part)
            if how != "not made":
                return how
        return "not made"

    def _once_without(self, text: str, part: Part) -> str:
        verdict = self._verdict(_cut(text, part))
        if verdict is None:
            return "named"  # sbtrace itself says that no command can be started
        refused = {row["syscall"] for row in verdict["refused"] if row["excuse"] is None}
        if part.name in refused:
            return "named"
        return "wrong" if self._is_made(part, verdict["run_id"]) else "not made"

    def _is_made(self, part: Part, run_id: str) -> bool:
        """Whether a run made the call, and in this way."""
        if not part.conditions:
            return part.name in self._made(run_id)
        sql = (
            "SELECT process_id, image, combination, argument, value FROM arguments"
            " WHERE run_id = $run AND name = $name"
        )
        given = ("--param", f"run={run_id}", "--param", f"name={part.name}")
        ways: dict[tuple[int, ...], dict[int, int]] = {}
        for row in json.loads(self._sbtrace("query", "--format", "json", *given, sql)):
            key = (row["process_id"], row["image"], row["combination"])
            ways.setdefault(key, {})[row["argument"]] = row["value"]
        return any(
            all(way.get(index, 0) & mask == value for index, mask, value in part.conditions)
            for way in ways.values()
        )

    def _verdict(self, text: str) -> Any:
        profile, place = self._folder / "tried.toml", self._folder / "verdict.json"
        profile.write_text(text)
        place.unlink(missing_ok=True)
        error = self._started(
            *("profile", "verify", "--json", "-o", str(place), "--timeout", str(TIMEOUT_S)),
            *(*self._options(), "--daemons", "end", str(profile), "--"),
        )
        if not place.exists():
            if "execve is refused" not in error:
                raise RuntimeError(f"{self._program.name}: no verdict: {error}")
            return None
        return json.loads(place.read_text())

    @cache  # noqa: B019 - there are few
    def _made(self, run_id: str) -> frozenset[str]:
        """The names of the calls that a run made."""
        shown = json.loads(self._sbtrace("show", run_id, "--json"))
        return frozenset(row["name"] for row in shown["syscalls"] if row["calls"] or row["blocked"])

    def _started(self, *words: str) -> str:
        """Start the program under a verb of sbtrace, ask it what it is for; return stderr."""
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        work.chmod(0o755)
        self._program.prepare(work)
        command = [str(SBTRACE), *words, *self._program.command(work)]
        errors = self._folder / "errors"
        with errors.open("w") as stderr:
            process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            self._attend(process)
        return errors.read_text(errors="replace")

    def _attend(self, process: subprocess.Popen[bytes]) -> None:
        if self._program.ask is not None:
            self._program.ask(lambda: process.poll() is None)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S * 4)

    def _sbtrace(self, *words: str) -> str:
        done = subprocess.run(
            [str(SBTRACE), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stderr}")
        return done.stdout


def _cut(text: str, part: Part) -> str:
    """The profile without a part."""
    end = part.begin + len(part.text)
    assert text[part.begin : end] == part.text
    return text[: part.begin] + text[end:]


def main() -> int:
    """Print a line a program; exit 1 if the loop is open somewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="programs whose name holds this")
    parser.add_argument("--sample", type=int, help="take away so many entries of each program")
    parser.add_argument(
        "--quiet-runs",
        type=int,
        default=QUIET_RUNS,
        metavar="N",
        help="learn until N runs in a row taught nothing new",
    )
    parser.add_argument(
        "--hold",
        type=int,
        metavar="N",
        help=f"learn from {FEW_RUNS} runs instead, and verify N times beside busy processors",
    )
    parser.add_argument("--keep", type=Path, help="keep the learned profiles in this folder")
    given = parser.parse_args()
    found, missing = programs.here()
    wanted = [each for each in found if not given.only or any(w in each.name for w in given.only)]
    results = []
    with ExitStack() as stack:
        stack.enter_context(programs.web_server())
        if given.hold:
            return _held(wanted, given.hold)
        for program in wanted:
            results.append(_closed(program, given))
            print(_line(results[-1]), flush=True)
    if missing and not given.only:
        print(f"not on this machine: {', '.join(missing)}")
    return int(any(not result.passed or result.wrong for result in results))


def _held(wanted: Sequence[Program], times: int) -> int:
    passed = 0
    for program in wanted:
        with _folder() as folder:
            verdicts = Loop(program, folder, QUIET_RUNS).hold(times)
        refused = [_words(each) for each in verdicts if each]
        passed += not refused
        told = f"; refused {'; '.join(refused)}" if refused else ""
        print(f"{program.name:32} {verdicts.count(()):2} of {times} pass{told}", flush=True)
    return int(passed < len(wanted))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one program, with a place for its database that root alone sees."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sbtrace-loop-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "db").mkdir(0o700)
        yield folder


def _closed(program: Program, given: argparse.Namespace) -> Result:
    with _folder() as folder:
        result = Loop(program, folder, given.quiet_runs).close(given.sample)
        if given.keep:
            given.keep.mkdir(exist_ok=True)
            name = program.name.replace(" ", "-")
            shutil.copy(folder / "learned.toml", given.keep / f"{name}.toml")
        return result


def _line(result: Result) -> str:
    verdict = "passes" if result.passed else f"refused {_words(result.refused)}"
    parts = [f"{result.name:32} {result.runs:2} runs, {result.calls:3} calls, {verdict}"]
    parts.append(f"{result.named} of {result.taken_away} taken away are named")
    if result.not_made:
        parts.append(f"not made again: {_words(result.not_made)}")
    if result.wrong:
        parts.append(f"WRONG: {_words(result.wrong)}")
    return "; ".join(parts)


def _words(names: Sequence[str]) -> str:
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main())
