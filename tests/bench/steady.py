"""``make steady``: the tests, again and again, beside loops that keep every processor busy.

A test that depends on its surroundings shows here: on time, on others, or on the signals that
``nohup`` and a background job leave ignored, as in every second round.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
BUSY = ["sh", "-c", "while :; do :; done"]
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep that many processors busy."""
    processes = [subprocess.Popen(BUSY) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _ignore() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


def one_round(words: Sequence[str], *, deaf: bool) -> tuple[int, str]:
    """Exit status of pytest, and what it printed; ``deaf`` to the signals of a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        preexec_fn=_ignore if deaf else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def failures(status: int, output: str) -> list[str]:
    """Names of the tests that failed; where there is none, how pytest itself ended."""
    if status == 0:
        return []
    return _FAILED.findall(output) or [f"pytest ended with {status}: {output[-300:]}"]


def main() -> None:
    """Run the rounds, and end with 1 unless all passed."""
    parser = argparse.ArgumentParser(prog="make steady", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--loops", type=int, default=2, help="busy ones beside the tests")
    parser.add_argument("--minutes", type=float, default=0.0, help="start no round after that")
    parser.add_argument("words", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    failed: Counter[str] = Counter()
    passed = ran = 0
    with busy(options.loops):
        while ran < options.rounds and time.monotonic() < end:
            status, output = one_round(options.words, deaf=ran % 2 == 1)
            ran += 1
            found = failures(status, output)
            failed.update(found)
            passed += not found
            last = output.strip().rpartition("\n")[2]
            print(f"round {ran} of {options.rounds}: {last}", flush=True)
            for name in found:
                print(f"    {name}", flush=True)
    print(f"{passed} of {ran} rounds passed beside {options.loops} busy loops")
    for name, count in failed.most_common():
        print(f"{count:4} {name}")
    sys.exit(passed < ran or not ran)


if __name__ == "__main__":
    main()
