"""Profiles beside each other: what they leave open, refuse real programs, keep out, and cost.

``python -m tests.bench.comparison`` prints the tables of docs/comparison.md, as root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.deeds import DEEDS, LANDLOCK, WITHOUT
from tests.bench.measure import built
from tests.kernel import filtered
from tracer.host import systemd
from tracer.profile import load
from tracer.profile.score import score
from tracer.resources import profiles_dir
from tracer.sandbox.sources import source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracer.profile import Profile

SBTRACE = Path(sys.executable).parent / "sbtrace"
SERVICE = "@system-service"
SERVICE_TEXT = f'default_action = "errno:EPERM"\nallow = ["@default", "{SERVICE}"]\n'
PROFILES = (
    *("STRICT", "INTERPRETER", "BUILD", "RESOURCE-AWARE", "NETWORK-CLIENT", "NETWORK-SERVER"),
    *("DOCKER-DEFAULT", SERVICE),
)
LEARNED = "learned"
LEARNED_OF = 3
"""Runs: of a single one a profile lacks what depends on time, such as a poll for a full pipe."""
OWN = "own.toml"
OPEN = (
    *("calls open", "by arguments", "unnamed", "CVEs closed of 29", "classes closed of 24"),
    "systemd's exposure",
)
BATCHES, CALLS = 4000, 250
GETPPID, FCNTL, F_GETFD = 110, 72, 1
PATIENCE_S = 120

REDIS = """redis-server --port 0 --unixsocket redis.sock --save '' >/dev/null &
n=0
until redis-cli -s redis.sock ping >/dev/null 2>&1; do
n=$((n+1)); test $n -lt 40 || exit 9; sleep 0.05; done
redis-benchmark -s redis.sock -q -n 500 -c 5 -t set,get >/dev/null
redis-cli -s redis.sock shutdown nosave; wait $!"""
NGINX = """echo 'events {} http { access_log off; server { listen unix:nginx.sock; } }' >n.conf
nginx -p . -e stderr -c n.conf -g 'pid n.pid; daemon off; user root;' &
n=0
until test -S nginx.sock -a -s n.pid; do
n=$((n+1)); test $n -lt 40 || exit 9; sleep 0.05; done
curl -s --unix-socket nginx.sock http://x/ >/dev/null; kill -QUIT $(cat n.pid); wait $!"""
SOCKETS = """import socket, threading
s = socket.create_server(("127.0.0.1", 0))
t = threading.Thread(target=lambda: socket.create_connection(s.getsockname()).close())
t.start(); s.accept(); t.join()"""


class Program(NamedTuple):
    """One of those that are run under each profile."""

    name: str
    argv: tuple[str, ...]
    """The first word is looked for on PATH."""
    needs: tuple[str, ...] = ()
    """Other programs; it is left out if one is not here."""


def sh(name: str, script: str, *needs: str) -> Program:
    """A program that takes a shell to run."""
    return Program(name, ("sh", "-c", script), needs)


PROGRAMS = (
    Program("ls -lR", ("ls", "-lR", "/etc/pam.d")),
    Program("sha256sum", ("sha256sum", "/etc/passwd")),
    sh("tar and xz", "tar -C /etc -cJf a.tar.xz pam.d && tar -xJf a.tar.xz", "tar", "xz"),
    sh("a shell script", "for i in 1 2 3; do echo $(echo $i | tr 1 2); done", "tr"),
    sh("git", "git init -q . && git add -A && git status -s && git log || :", "git"),
    sh("make and gcc", "printf 'all:\\n\\tgcc -o a a.c\\n' >Makefile; "
       "echo 'int main(void) { return 0; }' >a.c; make -s && ./a", "make", "gcc"),
    sh("sqlite3", "sqlite3 a.db 'create table t (x); insert into t values (1); select x from t'",
       "sqlite3"),
    Program("python, sockets", ("/usr/bin/python3", "-c", SOCKETS)),
    Program("node", ("node", "-e", "setTimeout(() => console.log(1), 1)")),
    Program("java", ("java", "-Xshare:auto", "-version")),
    sh("curl", "curl -s http://127.0.0.1:$PORT/ >/dev/null", "curl"),
    sh("redis", REDIS, "redis-server", "redis-cli", "redis-benchmark"),
    sh("nginx", NGINX, "nginx", "curl"),
)  # fmt: skip


class Outcome(NamedTuple):
    """How a program fared under a profile."""

    status: int
    refused: dict[str, int]
    """Calls by name, how often."""
    calls: frozenset[str]


def main() -> None:
    """Print all tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("profiles", "programs", "reach"))
    parser.add_argument("--program", help="only those whose name holds this")
    given = parser.parse_args()
    wanted = given.only
    with tempfile.TemporaryDirectory(prefix="sbtrace-compare-") as name:
        folder = Path(name)
        for part, made in (("programs", programs), ("profiles", profiles), ("reach", reach)):
            for table in made(folder, given.program) if wanted in (None, part) else ():
                print("\n".join(_markdown(*table)), flush=True)
                print()


Table = tuple[list[str], list[list[str]]]


def programs(folder: Path, only: str | None) -> Iterator[Table]:
    """How each program fares under each profile; what those leave open that are learned of it."""
    service = folder / "service.toml"
    service.write_text(SERVICE_TEXT)
    rows, learned = [], []
    with _page() as port:
        for program in (each for each in PROGRAMS if (only or "") in each.name):
            if all(shutil.which(each) for each in (program.argv[0], *program.needs)):
                rows.append(_row(folder, program, service, port))
                learned.append([program.name, *_open(source(str(folder / OWN)).filters)])
            else:
                print(f"left out, as it is not here: {program.name}", file=sys.stderr)
    yield ["program", "calls", LEARNED, *PROFILES], rows
    yield ["learned of", *OPEN], [*learned, *_over(learned)]


def _over(rows: list[list[str]]) -> Iterator[list[str]]:
    """The median of each column over the programs, its least and its most."""
    columns = list(zip(*rows, strict=True))[1:]
    yield ["median", *(_of(column, statistics.median) for column in columns)]
    yield ["least", *(_of(column, min) for column in columns)]
    yield ["most", *(_of(column, max) for column in columns)]


def _of(column: Sequence[str], what: Callable[[list[float]], float]) -> str:
    """Nothing where the column holds words."""
    try:
        return f"{what([float(cell) for cell in column]):g}"
    except ValueError:
        return ""


def _row(folder: Path, program: Program, service: Path, port: int) -> list[str]:
    free = [_run(folder, program, "LEARNING", port) for _ in range(LEARNED_OF)][-1]
    own = folder / OWN
    own.unlink(missing_ok=True)
    runs = [f"last~{back}" for back in range(LEARNED_OF)]
    _sbtrace(folder, "profile", "learn", *runs, "-o", str(own), port=port)
    cells = []
    for profile in (str(own), *PROFILES):
        shipped = profiles_dir() / f"{profile}.toml"
        used = str(service) if profile == SERVICE else str(shipped if shipped.exists() else profile)
        cells.append(_cell(free, _run(folder, program, used, port)))
    print(program.name, len(free.calls), *cells, sep=" | ", file=sys.stderr)
    return [program.name, str(len(free.calls)), *cells]


def _cell(free: Outcome, found: Outcome) -> str:
    """``works``, with the number of syscalls that were refused; or what was missed first."""
    works = "works" if found.status == free.status else "fails"
    kinds = len(found.refused)
    return f"{works}, {kinds}" if kinds else works


def _run(folder: Path, program: Program, profile: str, port: int) -> Outcome:
    place = Path(tempfile.mkdtemp(dir=folder))
    output = place / "run.json"
    words = ["run", "--json", "-o", str(output), "--profile", profile, "--timeout", "60"]
    words += ["--cap", "keep", "--daemons", "end", "--", *program.argv]
    done = _sbtrace(folder, *words, port=port, cwd=place)
    record: dict[str, Any] = json.loads(output.read_text())
    refused = {row["name"]: row["blocked"] for row in record["syscalls"] if row["blocked"]}
    called = frozenset(row["name"] for row in record["syscalls"] if row["calls"])
    return Outcome(done.returncode, refused, called)


def _sbtrace(
    folder: Path, *words: str, port: int, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = {"SBTRACE_DB": str(folder / "runs.duckdb"), "PORT": str(port)}
    return subprocess.run(
        [SBTRACE, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def _page() -> Iterator[int]:
    """A server of one folder on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = ["/usr/bin/python3", "-m", "http.server", "-b", "127.0.0.1", str(port)]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        null = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=folder, stdout=null, stderr=null)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                continue
        yield port


def profiles(folder: Path, only: str | None) -> Iterator[Table]:
    """What each profile leaves open, and what a call costs under its filter."""
    del folder, only
    loop = built("call_loop")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the loop may be kept from it
    rows = []
    bare = [_cost(loop, None, call) for call in ((GETPPID,), (FCNTL, 0, F_GETFD))]
    rows.append(["no filter", *_open([]), *(f"{ns:.0f}" for ns in bare)])
    for name in PROFILES:
        profile = _profile(name)
        costs = [_cost(loop, profile, call) for call in ((GETPPID,), (FCNTL, 0, F_GETFD))]
        cells = [f"{ns:.0f}" for ns in costs]
        rows.append([name, *_open(source(name).filters), *cells])
    yield ["profile", *OPEN, "ns, getppid", "ns, fcntl"], rows


def _profile(name: str) -> Profile:
    from tracer.profile import parse

    return parse(SERVICE_TEXT, SERVICE) if name == SERVICE else load(name)


def _open(filters: Sequence[Any]) -> list[str]:
    found = score(filters)
    closed = sum(not (part.open or part.partly) for _, part in found.classes)
    numbers = [len(found.calls.open), len(found.calls.partly)]
    weights = systemd.weights((*found.calls.open, *found.calls.partly))
    exposure = "not known" if weights is None else f"{sum(w.exposure for w in weights):g}"
    return [*map(str, numbers), found.unnamed, str(len(found.cves.closed)), str(closed), exposure]


def _cost(loop: str, profile: Profile | None, call: tuple[int, ...]) -> float:
    """The ns a call of the fastest decile of batches, as in ``call_cost``."""
    argv = [loop, "-", str(BATCHES), str(CALLS), *map(str, call)]
    took = [int(line) for line in _looped(profile, argv).split()]
    return statistics.quantiles(took, n=10)[0] / CALLS


def _looped(profile: Profile | None, argv: list[str]) -> str:
    if profile is None:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    status, text = filtered.run(profile, argv)
    if status:
        raise SystemExit(f"{profile.name}: the loop ended with {status}: {text}")
    return text


def reach(folder: Path, only: str | None) -> Iterator[Table]:
    """Which deeds are kept from a program that tries them as root, by what."""
    del folder, only
    rows = []
    shown = ("STRICT", "INTERPRETER", "RESOURCE-AWARE", "NETWORK-CLIENT", "DOCKER-DEFAULT", SERVICE)
    for deed, code in DEEDS.items():
        free = _tried(None, WITHOUT + code)
        cells = [_kept(free, _tried(_profile(name), WITHOUT + code)) for name in shown]
        rows.append([deed, *cells, _kept(free, _tried(None, LANDLOCK + code))])
    yield ["deed", *shown, "Landlock"], rows


def _tried(profile: Profile | None, code: str) -> tuple[int, str]:
    argv = ["/usr/bin/python3", "-S", "-c", code]
    if profile is not None:
        return filtered.run(profile, argv)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    return done.returncode, done.stdout


def _kept(free: tuple[int, str], found: tuple[int, str]) -> str:
    if found[0] < 0:
        return "killed"
    return "reaches" if found == free else f"kept ({found[1].strip() or found[0]})"


def _markdown(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
