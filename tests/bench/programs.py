"""Real programs for ``loop``: each started as one command, some asked from outside meanwhile."""

from __future__ import annotations

import http.server
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Lives = Callable[[], bool]
    """Whether the program goes on."""

PATIENCE_S = 20
PYTHON = "/usr/bin/python3"


class Program(NamedTuple):
    """A program to be learned and verified."""

    name: str
    needs: tuple[str, ...]
    """Executables without which it is left out."""
    prepare: Callable[[Path], object]
    """Makes what it works on, in its folder, which is made anew for each run."""
    command: Callable[[Path], tuple[str, ...]]
    ask: Callable[[Lives], object] | None = None
    """What is asked of a server while it runs; it is ended by SIGTERM then."""
    user: str | None = None


def here() -> tuple[list[Program], list[str]]:
    """The programs that this machine has, and the names of those that it lacks."""
    found = [each for each in PROGRAMS if all(map(shutil.which, each.needs))]
    return found, [each.name for each in PROGRAMS if each not in found]


@contextmanager
def web_server() -> Iterator[int]:
    """The port of a server on the loopback, of this process."""
    handler = type(
        "Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", WEB_PORT), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield WEB_PORT
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


WEB_PORT, PORT = free_port(), free_port()


def _is_open(lives: Lives) -> bool:
    """Wait until the server takes connections; false if it ended before, or waits too long."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and lives():
        with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
            return True
        time.sleep(0.02)
    return False


def _quietly(*words: str) -> None:
    subprocess.run(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False
    )


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _sources(folder: Path) -> None:
    (folder / "src").mkdir()
    for number in range(20):
        (folder / "src" / f"{number}.txt").write_text(f"{number}\n" * 2000)


def _shell(script: str) -> Callable[[Path], tuple[str, ...]]:
    return lambda folder: ("/bin/sh", "-c", f"cd {folder} && {script}")


_C = '#include <stdio.h>\nint part(int);\nint main(void) { printf("%d\\n", part(2)); return 0; }\n'
_PART = "int part(int x) { return x * 21; }\n"
_MAKEFILE = "t: t.o part.o\n\tcc -o $@ $^\n"
_PY = """
import socket, subprocess, tempfile, threading
server = socket.create_server(("127.0.0.1", 0))
def serve():
    for _ in range(4):
        peer, _ = server.accept()
        with peer:
            peer.sendall(peer.recv(64).upper())
thread = threading.Thread(target=serve)
thread.start()
def ask(word):
    with socket.create_connection(server.getsockname()) as peer:
        peer.sendall(word)
        assert peer.recv(64) == word.upper()
askers = [threading.Thread(target=ask, args=(b"word",)) for _ in range(4)]
for asker in askers: asker.start()
for asker in [*askers, thread]: asker.join()
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100000)
subprocess.run(["true"], check=True)
"""
_GO = """package main

import ("fmt"; "io"; "net"; "net/http"; "sync")

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.URL.Path)
	}))
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			answer, err := http.Get(fmt.Sprintf("http://%s/%d", listener.Addr(), i))
			if err != nil { panic(err) }
			io.ReadAll(answer.Body)
		}(i)
	}
	all.Wait()
}
"""
_NODE = """
const http = require("http"), fs = require("fs"), {Worker} = require("worker_threads");
fs.writeFileSync(__dirname + "/out", "x".repeat(100000));
const server = http.createServer((q, a) => a.end(q.url)).listen(0, "127.0.0.1", () => {
  const worker = new Worker("require('worker_threads').parentPort.postMessage(1)", {eval: true});
  worker.on("message", () => http.get({port: server.address().port, path: "/x", agent: false},
    (answer) => answer.on("data", () => {}).on("end", () => server.close())));
});
"""
_JAVA = """
import java.io.*; import java.net.*;
public class T {
  public static void main(String[] words) throws Exception {
    ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread thread = new Thread(() -> {
      try (Socket peer = server.accept()) { peer.getOutputStream().write(65); }
      catch (IOException e) { throw new RuntimeException(e); }
    });
    thread.start();
    try (Socket peer = new Socket(server.getInetAddress(), server.getLocalPort())) {
      System.out.println(peer.getInputStream().read());
    }
    thread.join();
  }
}
"""


def _go(folder: Path) -> None:
    """Built once: a build takes longer than all else."""
    kept = folder.parent / "go-built"
    if not kept.exists():
        _write(folder, {"t.go": _GO})
        environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(folder.parent / "cache")}
        command = ["go", "build", "-o", str(kept), str(folder / "t.go")]
        subprocess.run(command, check=True, env={**environment, "GO111MODULE": "off"})


def _java(folder: Path) -> None:
    _write(folder, {"T.java": _JAVA})
    _quietly("javac", "-d", str(folder), str(folder / "T.java"))


def _nginx(folder: Path) -> None:
    _write(folder, {"index.html": "hello\n" * 5000, "logs/.keep": ""})
    conf = (
        f"daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;"
        " events {} http { "
        f"access_log {folder}/access.log; client_body_temp_path {folder}/b;"
        f" proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;"
        f" scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{PORT}; root {folder}; }} }}"
    )
    _write(folder, {"nginx.conf": conf})


def _ask_web(lives: Lives) -> None:
    for path in ("", "missing", "index.html") if _is_open(lives) else ():
        _quietly("curl", "-s", "-m", "5", f"http://127.0.0.1:{PORT}/{path}")


def _ask_redis(lives: Lives) -> None:
    asked = (("SET", "a", "1"), ("INCR", "a"), ("BGSAVE",), ("KEYS", "*"), ("INFO",))
    for words in asked if _is_open(lives) else ():
        if lives():
            _quietly("redis-cli", "-p", str(PORT), *words)


def _postgres(folder: Path) -> None:
    """A cluster that is made once, and copied."""
    kept = folder.parent / "cluster"
    owner = pwd.getpwnam("postgres")
    if not kept.exists():
        kept.mkdir()
        os.chown(kept, owner.pw_uid, owner.pw_gid)
        _quietly("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                 "initdb", "-A", "trust", "-D", str(kept))  # fmt: skip
    shutil.copytree(kept, folder / "data", copy_function=shutil.copy)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, owner.pw_uid, owner.pw_gid)
        path.chmod(0o700 if path.is_dir() else 0o600)


def _ask_postgres(lives: Lives) -> None:
    sql = "CREATE TABLE t AS SELECT generate_series(1, 20000) AS n; SELECT sum(n) FROM t; VACUUM t;"
    for _ in range(2) if _is_open(lives) else ():
        _quietly("psql", "-h", "127.0.0.1", "-p", str(PORT), "-U", "postgres", "-c", sql)


def _nothing(_folder: Path) -> None:
    pass


_COREUTILS = (
    "ls -lR src | sort | wc -l && cp -r src copy && mv copy other && stat src && du -s . && df . "
    "&& md5sum src/* | head -3 && date && id && touch x && chmod 600 x && ln -s x y && rm -r other"
)
_GIT = (
    "git init -q . && git add src && git -c user.name=a -c user.email=a@b commit -qm one && "
    "git log --stat | cat && git branch other && git diff HEAD && git gc -q"
)
_SQL = (
    "CREATE TABLE t(a); WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM s LIMIT 20000) "
    "INSERT INTO t SELECT n FROM s; SELECT sum(a) FROM t; VACUUM;"
)
_BUILD = {"t.c": _C, "part.c": _PART, "Makefile": _MAKEFILE}
PROGRAMS = (
    Program("coreutils", ("ls", "sort", "du"), _sources, _shell(_COREUTILS)),
    Program("git", ("git",), _sources, _shell(_GIT)),
    Program(
        "python with threads and sockets",
        (PYTHON,),
        lambda folder: _write(folder, {"t.py": _PY}),
        lambda folder: (PYTHON, str(folder / "t.py")),
    ),
    Program(
        "gcc",
        ("gcc",),
        lambda folder: _write(folder, _BUILD),
        _shell("gcc -O2 -o t t.c part.c && ./t"),
    ),
    Program(
        "sqlite3",
        ("sqlite3",),
        _nothing,
        lambda folder: ("/usr/bin/sqlite3", str(folder / "t.db"), _SQL),
    ),
    Program(
        "curl",
        ("curl",),
        _nothing,
        lambda _folder: ("/usr/bin/curl", "-s", f"http://127.0.0.1:{WEB_PORT}/"),
    ),
    Program(
        "nginx",
        ("nginx", "curl"),
        _nginx,
        lambda folder: ("/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)),
        _ask_web,
    ),
    Program(
        "redis",
        ("redis-server", "redis-cli"),
        _nothing,
        lambda folder: (
            *("/usr/bin/redis-server", "--port", str(PORT), "--bind", "127.0.0.1"),
            *("--dir", str(folder), "--appendonly", "yes", "--logfile", str(folder / "log")),
        ),
        _ask_redis,
    ),
    Program(
        "postgres",
        ("postgres", "initdb", "psql", "setpriv"),
        _postgres,
        lambda folder: (
            *(shutil.which("postgres") or "postgres", "-D", str(folder / "data"), "-p", str(PORT)),
            *("-k", str(folder), "-c", "listen_addresses=127.0.0.1"),
        ),
        _ask_postgres,
        "postgres",
    ),
    Program(
        "tar and xz",
        ("tar", "xz"),
        _sources,
        _shell("tar cf - src | xz > x && mkdir out && xz -d < x | tar xf - -C out"),
    ),
    Program("static Go", ("go",), _go, lambda folder: (str(folder.parent / "go-built"),)),
    Program(
        "node",
        ("node",),
        lambda folder: _write(folder, {"t.js": _NODE}),
        lambda folder: ("/usr/bin/node", str(folder / "t.js")),
    ),
    Program(
        "Java", ("java", "javac"), _java, lambda folder: ("/usr/bin/java", "-cp", str(folder), "T")
    ),
    Program(
        "shell build",
        ("make", "gcc"),
        lambda folder: _write(folder, _BUILD),
        _shell("make -j2 && ./t && test -e t"),
    ),
    Program(
        "imagemagick",
        ("convert",),
        _nothing,
        _shell("convert -size 200x200 gradient: -rotate 30 -blur 0x2 t.png && convert t.png t.jpg"),
    ),
)
