"""The commands that sbtrace and strace are compared on: real programs, on inputs made here."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONG_AGO = 1_600_000_000
"""Modification time of what is made here: git and make must not find anything "just changed"."""
FILES = 101
COMMITS = 13
LINES = 200_003
UNITS = 11

# Why the count of a syscall differs from run to run, also of one and the same tool.
WAITS = "a thread waits for a lock only where another one holds it at that moment"
SPLITS = "how much a pipe holds when it is read depends on who ran meanwhile"
ENDS = "a child's end comes before, during or after the wait, which SIGCHLD interrupts"
ARENAS = "malloc takes another arena where two threads allocate at the same moment"
STACKS = "a new thread gets the stack of one that has ended by then, or else a new one"
POOL = "the pool makes a thread only where none is idle at that moment"
NAMES = "a random name is drawn again where the number would favour some letters"
AGAIN = "a fork in which a SIGCHLD comes is begun again (ERESTARTNOINTR, kernel/fork.c)"
DEATHS = "strace lets a call return before a signal ends the process; else it never does"
TURNS = "make takes a token for a job beside another, and none where that one has ended"
INPUT = "of two jobs at once make gives its input to one, and a broken pipe to the other"


@dataclass(frozen=True)
class Command:
    """One command line."""

    name: str
    argv: tuple[str, ...]
    make: Callable[[Path], None] | None = None
    """Fills the working folder; None if it stays empty."""
    env: Mapping[str, str] = field(default_factory=dict)
    varies: Mapping[str, str] = field(default_factory=dict)
    """Syscalls whose count differs from run to run of the same tool, each with the reason."""

    def missing(self) -> str | None:
        """The first program that this machine has not got; None if all are there."""
        words = [w for w in (self.argv[0], *_PROGRAMS_IN.get(self.name, ())) if "/" not in w]
        return next((word for word in words if shutil.which(word) is None), None)


_PROGRAMS_IN = {
    "tar c | xz -T2": ("tar", "xz"),
    "tar x": ("tar",),
    "sed | awk | sort | uniq": ("sed", "awk", "sort", "uniq"),
    "make -j2": ("make", "cc"),
}


def a_tree(folder: Path) -> None:
    """Some folders of text files, the same ones each time."""
    words = random.Random(7)  # noqa: S311 - the same text each time is the point
    for i in range(FILES):
        path = folder / "tree" / f"d{i % 7}" / f"f{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{words.getrandbits(64):x} of {i}\n" for _ in range(i * 13)))


def a_packed_tree(folder: Path) -> None:
    """The same in one archive."""
    a_tree(folder)
    subprocess.run(["tar", "cf", "tree.tar", "tree"], cwd=folder, check=True)
    shutil.rmtree(folder / "tree")


def a_table(folder: Path) -> None:
    """A file of shuffled lines."""
    numbers = list(range(LINES))
    random.Random(11).shuffle(numbers)  # noqa: S311 - the same order each time
    (folder / "table.txt").write_text("".join(f"{n * 7919 % 104729} line {n}\n" for n in numbers))


def a_repository(folder: Path) -> None:
    """A git repository with commits, and a work tree that differs from the last one."""
    a_tree(folder)
    author = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "A"), ("EMAIL", "a@b"), ("DATE", "2020-01-01T00:00Z"))
    }

    def git(*words: str) -> None:
        subprocess.run(
            ["git", *words],
            cwd=folder,
            check=True,
            capture_output=True,
            env={**os.environ, **author, **GIT},
        )

    git("init", "-q", "-b", "main")
    for i in range(COMMITS):
        (folder / "tree" / "d0" / "f0.txt").write_text(f"commit {i}\n")
        git("add", "-A")
        git("commit", "-q", "-m", f"commit {i}")
    (folder / "tree" / "d1" / "f1.txt").write_text("changed\n")
    (folder / "new.txt").write_text("not tracked\n")


GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
}
PERL = {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}
PYTHON = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def a_c_file(folder: Path) -> None:
    """One program of C."""
    (folder / "hello.c").write_text(
        '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts("hi"); return 0; }\n'
    )


def a_project(folder: Path) -> None:
    """A small project of C, with a Makefile."""
    for i in range(UNITS):
        (folder / f"u{i}.c").write_text(f"#include <stdio.h>\nint u{i}(void) {{ return {i}; }}\n")
    calls = " + ".join(f"u{i}()" for i in range(UNITS))
    heads = "\n".join(f"int u{i}(void);" for i in range(UNITS))
    (folder / "main.c").write_text(f"{heads}\nint main(void) {{ return ({calls}) == 0; }}\n")
    objects = " ".join(["main.o", *(f"u{i}.o" for i in range(UNITS))])
    (folder / "Makefile").write_text(f"all: {objects}\n\tcc -o program {objects}\n")


_IMPORTS = "import asyncio, decimal, email.message, http.client, json, sqlite3, xml.dom.minidom"
_POOL = (
    "import concurrent.futures as f, pathlib\n"
    "with f.ThreadPoolExecutor(8) as p:\n"
    "    paths = sorted(pathlib.Path('tree').rglob('*.txt'))\n"
    "    print(sum(p.map(lambda path: len(path.read_bytes()), paths)))"
)
_SQL = (
    "create table t(a integer primary key, b text);"
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20011) "
    "insert into t select i, hex(i) from n; create index x on t(b);"
    "select count(*), max(b) from t;"
)
_MEMORY = {"mmap": ARENAS, "munmap": ARENAS, "mprotect": ARENAS, "madvise": STACKS}
_CHILDREN = dict.fromkeys(("wait4", "rt_sigreturn", "rt_sigsuspend"), ENDS) | {"clone": AGAIN}
_COMPILER = {"getrandom": NAMES}

COMMANDS = (
    Command("true", ("true",)),
    Command("ls -lR /usr/share/doc", ("ls", "-lR", "/usr/share/doc")),
    Command("find -name '*.so*'", ("find", "/usr/lib/python3", "-name", "*.so*")),
    Command("git status", ("git", "status"), a_repository, GIT),
    Command("git log --stat", ("git", "log", "--stat"), a_repository, GIT),
    Command("python3 -c 'import ...'", ("/usr/bin/python3", "-c", _IMPORTS), None, PYTHON),
    Command(
        "python3, 8 threads",
        ("/usr/bin/python3", "-c", _POOL),
        a_tree,
        PYTHON,
        _MEMORY
        | {"futex": WAITS}
        | dict.fromkeys(("clone3", "rseq", "set_robust_list", "rt_sigprocmask", "gettid"), POOL),
    ),
    Command("gcc -O2 hello.c", ("gcc", "-O2", "-o", "hello", "hello.c"), a_c_file, {}, _COMPILER),
    Command(
        "tar c | xz -T2",
        ("sh", "-c", "tar cf - tree | xz -T2 > tree.xz"),
        a_tree,
        {},
        _MEMORY | {"futex": WAITS, "read": SPLITS, "poll": SPLITS},
    ),
    Command("tar x", ("tar", "xf", "tree.tar"), a_packed_tree),
    Command(
        "sh, 200 commands",
        ("sh", "-c", "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done"),
    ),
    Command(
        "bash, 50 substitutions",
        ("bash", "-c", "for i in $(seq 50); do x=$(echo $i | tr 0-9 a-j); done; echo $x"),
        varies=_CHILDREN,
    ),
    Command(
        "make -j2",
        ("make", "-j2"),
        a_project,
        {},
        _CHILDREN
        | _COMPILER
        | {"pselect6": ENDS, "dup2": INPUT, "prlimit64": INPUT, "read": TURNS, "write": TURNS},
    ),
    Command(
        "sort --parallel=2",
        ("sort", "--parallel=2", "-S", "4M", "-o", "sorted.txt", "table.txt"),
        a_table,
        {},
        _MEMORY | {"futex": WAITS, "getrandom": NAMES},
    ),
    Command(
        "sed | awk | sort | uniq",
        ("sh", "-c", "sed s/line/row/ table.txt | awk '{print $1 % 97}' | sort | uniq -c"),
        a_table,
        {},
        _CHILDREN | {"read": SPLITS, "futex": WAITS, "getrandom": NAMES},
    ),
    Command(
        "perl",
        ("perl", "-MFile::Find", "-e", "find(sub { -f and $n += -s }, 'tree'); print `echo $n`"),
        a_tree,
        PERL,
    ),
    Command("cp -r", ("cp", "-r", "tree", "copy"), a_tree),
    Command("rm -r", ("rm", "-r", "tree"), a_tree),
    Command("grep -r", ("grep", "-rc", "of 7", "tree"), a_tree),
    Command(
        "sha256sum, xargs -P2",
        ("sh", "-c", "find tree -type f | xargs -P2 -n9 sha256sum"),
        a_tree,
        {},
        _CHILDREN | {"read": SPLITS},
    ),
    Command("sqlite3", ("sqlite3", "t.db", _SQL)),
    Command(
        "zstd -T2", ("zstd", "-q", "-T2", "table.txt"), a_table, {}, _MEMORY | {"futex": WAITS}
    ),
    Command(
        "timeout 0.2 sleep 9",
        ("timeout", "0.2", "sleep", "9"),
        varies=_CHILDREN | {"clock_nanosleep": DEATHS},
    ),
    Command(
        "perl, killed by SIGPIPE",
        ("perl", "-e", "pipe(R, W); close R; syswrite W, 'x' or die"),
        None,
        PERL,
    ),
    Command("sh, killed by itself", ("sh", "-c", "kill -TERM $$")),
)
