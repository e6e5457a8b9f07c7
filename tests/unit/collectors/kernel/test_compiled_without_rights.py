"""bpf/ is C that a compiler takes: seen by whoever has neither root nor BPF, as in ``make check``.

bcc makes the maps of what it compiled at once. So without rights it gets exactly that far, and a
fault of the sources is told before it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support import ROOT

WITHOUT_RIGHTS = """
import ctypes, sys
from tracer.collectors.kernel.program import compile
from tracer.collectors.kernel.program.variant import Feature, variant
from tracer.errors import KernelError

nobodys = ctypes.create_string_buffer(24)  # struct __user_cap_data_struct[2]
version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
assert ctypes.CDLL(None).capset(version_3, nobodys) == 0
whole, (old, new) = compile.source(), sys.argv[1:]
compile.source = lambda: whole.replace(old, new) if old else whole
try:
    compile.compile_program(variant(frozenset({Feature.LOGGING})))
except KernelError as error:
    print(error)
"""
NO_RIGHTS = r"could not open bpf map: \w+, error: Operation not permitted"


def told(old: str = "", new: str = "") -> str:
    """What becomes of compiling the program, with one text in place of another."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", WITHOUT_RIGHTS, old, new]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def test_the_program_compiles_up_to_what_takes_rights() -> None:
    """Logging, it has every line that it can have."""
    assert re.search(NO_RIGHTS, told())


def test_a_mistake_in_the_program_is_told_with_its_place() -> None:
    """Otherwise the test above could not fail."""
    mistaken = told("lose(LOST_RESULTS, 1);", "lose(LOST_RESULTS, mistaken);")
    assert re.search(r"calls\.h:\d+:\d+: error: .*mistaken", mistaken)
