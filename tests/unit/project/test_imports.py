"""Every module imports on every machine, as verbs do where sbtrace has no table of calls."""

from __future__ import annotations

import subprocess
import sys

import pytest

EVERY_MODULE = """
import importlib, os, pkgutil, platform, sys

names, machine = os.uname(), sys.argv[1]
os.uname = lambda: os.uname_result((*names[:4], machine))
platform.machine = lambda: machine

import tracer

def fail(name):
    raise SystemExit(f"{name}: {sys.exc_info()[1]}")

found = [each.name for each in pkgutil.walk_packages(tracer.__path__, "tracer.", onerror=fail)]
for name in found:
    importlib.import_module(name)
print(len(found))
"""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "armv7l", "riscv64"])
def test_every_module_imports_on_any_machine(machine: str) -> None:
    words = [sys.executable, "-c", EVERY_MODULE, machine]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 200
