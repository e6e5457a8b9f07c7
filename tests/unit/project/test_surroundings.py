"""What the tests are started in makes no difference to what they start."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.support import ROOT, run

IGNORING = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, signal.SIGTSTP]
NAMED = sum(1 << (number - 1) for number in range(1, 32))
"""Bits of the signals with names: what is done with the C library's own is out of reach."""
PROBE = """
import os, signal, subprocess, sys
sys.path.insert(0, os.environ["ROOT"])
for number in {ignored}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
from tests import conftest
conftest.pytest_configure()
if {ignored}:
    os.kill(os.getpid(), signal.SIGHUP)
subprocess.run(["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"], check=True)
"""


@pytest.mark.parametrize("ignored", [[], IGNORING], ids=["terminal", "nohup"])
def test_what_tests_start_ignores_and_blocks_no_signal(ignored: list[signal.Signals]) -> None:
    """And the tests themselves survive the hangup that they were protected from."""
    script = PROBE.format(ignored=[int(number) for number in ignored])
    done = run([sys.executable, "-c", script], env={"ROOT": str(ROOT)})
    assert done.returncode == 0, done.stderr
    masks = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert {name: int(mask, 16) & NAMED for name, mask in masks.items()} == {
        "SigBlk": 0,
        "SigIgn": 0,
    }
