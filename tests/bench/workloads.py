"""Whole programs: what each tool makes of their wall time."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench import peers
from tests.bench.measure import built, in_turn, inner_wall_ns, under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.bench.peers import Tool
    from tests.bench.results import Figure, Results

PART = "program"
FIND = "find /usr"
UNITS = 12


@dataclass(frozen=True, slots=True)
class Workload:
    """A command line with its input."""

    name: str
    command: tuple[str, ...]
    """``{}`` in a word stands for the folder of the input."""
    prepare: Callable[[Path], None] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (0,)
    """Exit statuses that are right."""
    ours: bool = False
    """The program is one of tests/programs."""

    def argv(self, folder: Path) -> list[str]:
        if self.ours:
            return [built(self.command[0]), *self.command[1:]]
        # bpftrace refuses a name that is in two folders of PATH, as where /bin is /usr/bin
        program = shutil.which(self.command[0]) or self.command[0]
        return [program, *(word.replace("{}", str(folder)) for word in self.command[1:])]

    @property
    def missing(self) -> bool:
        return not self.ours and shutil.which(self.command[0]) is None


def _sources(folder: Path) -> None:
    """C sources that are all headers, as most are, and a Makefile."""
    includes = ("stdio", "stdlib", "string", "pthread", "signal", "unistd", "netdb", "time")
    for unit in range(UNITS):
        lines = [f"#include <{name}.h>\n" for name in includes]
        (folder / f"u{unit}.c").write_text("".join(lines) + f"int u{unit}(void) {{ return 0; }}\n")
    objects = " ".join(f"u{unit}.o" for unit in range(UNITS))
    (folder / "Makefile").write_text(f"all: {objects}\n")


def _repository(folder: Path) -> None:
    """A repository whose every commit rewrites some files."""
    author = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        author |= {f"GIT_{who}_NAME": "bench", f"GIT_{who}_EMAIL": "bench@localhost"}

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=folder, check=True, env={**os.environ, **author})

    git("init", "-q")
    for commit in range(60):
        for number in range(8):
            path = folder / f"d{number}" / "file.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{line * (commit + number + 1)}\n" for line in range(300)))
        git("add", "-A")
        git("commit", "-q", "-m", f"commit {commit}")


def _tests(folder: Path) -> None:
    """A test suite of Python's own unittest, with files and processes."""
    (folder / "test_it.py").write_text(
        "import json, os, subprocess, tempfile, unittest\n"
        "class Case(unittest.TestCase):\n"
        "    def files(self):\n"
        "        with tempfile.TemporaryDirectory() as d:\n"
        "            for i in range(20):\n"
        "                with open(os.path.join(d, str(i)), 'w') as f:\n"
        "                    json.dump(list(range(i)), f)\n"
        "            self.assertEqual(len(os.listdir(d)), 20)\n"
        "    def child(self):\n"
        "        subprocess.run(['/bin/true'], check=True)\n"
        "for i in range(80):\n"
        "    setattr(Case, f'test_{i}', Case.child if i % 8 == 0 else Case.files)\n"
        "unittest.main()\n"
    )


def _script(name: str, text: str) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / name).write_text(text)

    return prepare


PACK = "tar -C /usr/include -cf - linux | xz -0 >/dev/null\n"
LOOP = "i=0\nwhile [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done\n"

WORKLOADS = (
    Workload(FIND, ("find", "/usr")),
    Workload("git log -p", ("git", "-C", "{}", "log", "-p"), _repository, {"GIT_PAGER": "cat"}),
    Workload("compile", ("make", "-B", "-s", "-C", "{}"), _sources),
    Workload("tar | xz", ("sh", "{}/pack.sh"), _script("pack.sh", PACK)),
    Workload("Python tests", ("/usr/bin/python3", "-B", "{}/test_it.py", "-q"), _tests),
    Workload("shell loop", ("sh", "{}/loop.sh"), _script("loop.sh", LOOP)),
    Workload("threads", ("threads", "8", "100000"), ours=True),
    Workload("ping-pong", ("pingpong", "20000"), ours=True),
)


def named(name: str) -> Workload:
    """The one of that name."""
    (found,) = (workload for workload in WORKLOADS if workload.name == name)
    return found


def measure(
    results: Results,
    tools: Sequence[Tool],
    folder: Path,
    rounds: int,
    workloads: Sequence[Workload] = WORKLOADS,
) -> None:
    """Note the wall time in ns of each workload, without the tool's own start and end."""
    for workload in workloads:
        if workload.missing:
            continue
        place = folder / workload.name.replace("/", "").replace(" ", "_")
        place.mkdir(exist_ok=True)
        if workload.prepare:
            workload.prepare(place)
        argv = workload.argv(place)
        under(peers.NATIVE, folder, argv, workload.env)  # so that all find a warm page cache
        for tool in in_turn(tools, rounds):
            took = inner_wall_ns(tool, folder, argv, workload.env, workload.statuses)
            results.add(PART, workload.name, tool.key, took)


def over_native(results: Results, name: str, tool: str) -> Figure | None:
    """Wall time over native; None if it was not measured."""
    wall, native = results.get(PART, name, tool), results.get(PART, name, peers.NATIVE.key)
    return wall.over(native) if wall and native else None
