"""The profiles to start from: a client, a server, a build, an interpreter, and Docker's default."""

from __future__ import annotations

import shutil
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.kernel import filtered
from tracer.profile import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
PYTHON = "/usr/bin/python3"
PAGE = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n"


def under(profile: str, *argv: str) -> tuple[int, str]:
    return filtered.run(load(profile), [shutil.which(argv[0]) or argv[0], *argv[1:]])


def python(profile: str, code: str) -> tuple[int, str]:
    return under(profile, PYTHON, "-c", code)


def installed(*commands: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Those whose program is here."""
    return [command for command in commands if shutil.which(command[0])]


@pytest.fixture
def port() -> Iterator[int]:
    """A server on the loopback that gives one page to each client."""

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(PAGE)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("profile", ["NETWORK-CLIENT", "NETWORK-SERVER", "DOCKER-DEFAULT"])
def test_a_client_gets_a_page(profile: str, port: int) -> None:
    """By name, so that libc looks it up."""
    code = (
        "import urllib.request as r; "
        f"print(r.urlopen('http://localhost:{port}/').read().decode().strip())"
    )
    assert python(profile, code) == (0, "hi\n")


@pytest.mark.parametrize("command", installed(("curl", "-sS", "--max-time", "20")))
def test_curl_gets_a_page_under_network_client(command: tuple[str, ...], port: int) -> None:
    assert under("NETWORK-CLIENT", *command, f"http://localhost:{port}/") == (0, "hi\n")


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_server(('127.0.0.1', 0))",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)",
        "socket.socket(socket.AF_VSOCK)",
    ],
)
def test_a_client_neither_listens_nor_has_rare_sockets(call: str) -> None:
    status, output = python("NETWORK-CLIENT", f"import socket; {call}")
    assert (status, "[Errno 13]" in output) == (1, True)


SERVE = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def ask():
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"question")
        print(client.recv(100).decode())
asking = threading.Thread(target=ask)
asking.start()
with listener.accept()[0] as connection:
    connection.recv(100)
    connection.sendall(b"answer")
asking.join()
"""


@pytest.mark.parametrize("profile", ["NETWORK-SERVER", "DOCKER-DEFAULT"])
def test_a_server_answers(profile: str) -> None:
    assert python(profile, SERVE) == (0, "answer\n")


NGINX = """
cd {folder}
echo 'events {{}} http {{ access_log off; server {{ listen unix:nginx.sock; }} }}' > n.conf
nginx -p . -e stderr -c n.conf -g 'pid n.pid; daemon off; user root;' 2>/dev/null &
while ! test -S nginx.sock; do kill -0 $! || exit 9; done
curl -s --max-time 5 --unix-socket nginx.sock -o /dev/null http://x/
answered=$?
test $answered = 0 && kill -TERM $! || kill -KILL $!
wait $!
exit $answered
"""


@pytest.mark.parametrize("needed", installed(("nginx",)))
def test_the_master_of_nginx_and_its_workers_run_under_network_server(
    needed: tuple[str, ...], tmp_path: Path
) -> None:
    """Which name each other by F_SETOWN and FIOASYNC."""
    assert needed
    assert under("NETWORK-SERVER", "sh", "-c", NGINX.format(folder=tmp_path))[0] == 0


@pytest.mark.parametrize(
    ("profile", "call"),
    [
        ("NETWORK-SERVER", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
        ("BUILD", "socket.socket()"),
        ("BUILD", "socket.socket(socket.AF_UNIX)"),
        ("INTERPRETER", "socket.socket()"),
        ("DOCKER-DEFAULT", "socket.socket(40, socket.SOCK_STREAM)"),
    ],
)
def test_sockets_that_a_profile_is_not_for_are_refused(profile: str, call: str) -> None:
    status, output = python(profile, f"import socket; {call}")
    assert (status, "PermissionError" in output) == (1, True)


def test_a_parallel_build_works_under_build(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "Makefile").write_text("all: a b\na b: a.c\n\tgcc -o $@ a.c\n")
    assert under("BUILD", "make", "-C", str(tmp_path), "-j2")[0] == 0
    assert (tmp_path / "a").exists()
    assert under("BUILD", "tar", "-C", str(tmp_path), "-cJf", str(tmp_path / "a.xz"), "a")[0] == 0


def test_an_interpreter_has_threads_and_no_other_process() -> None:
    thread = "import threading as t; a = t.Thread(target=print, args=(1,)); a.start(); a.join()"
    assert python("INTERPRETER", thread) == (0, "1\n")
    for other in ("os.fork()", "os.posix_spawn('/bin/true', ['true'], {})", "os.kill(1, 0)"):
        status, output = python("INTERPRETER", f"import os; {other}")
        assert (status, "[Errno 1]" in output) == (1, True)


RESERVING = installed(
    ("node", "-e", "setTimeout(() => console.log(6 * 7), 1)"),
    ("java", "-Xshare:auto", "-version"),
    ("go", "version"),
)


@pytest.mark.parametrize("command", RESERVING)
@pytest.mark.parametrize("profile", ["INTERPRETER", "BUILD", "NETWORK-CLIENT"])
def test_runtimes_that_reserve_much_address_space_start(
    profile: str, command: tuple[str, ...], sbtrace: Sbtrace
) -> None:
    """With the limits of the profile, which a filter alone does not show."""
    done = sbtrace("run", "--trace", "none", "-q", "--profile", profile, "--", *command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("ls", "-l", "/etc"),
        ("sh", "-c", "echo $(echo hi | cat)"),
        (PYTHON, "-c", "import multiprocessing as m; m.Pool(2).map(abs, [1, -2])"),
        ("git", "--version"),
        ("tar", "-C", "/etc", "-cf", "/dev/null", "pam.d"),
    ],
)
def test_programs_run_under_dockers_default(command: tuple[str, ...]) -> None:
    assert under("DOCKER-DEFAULT", *command)[0] == 0


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
        f"assert c.syscall({number}, 0, 0, 0, 0, 0) == -1; print(ctypes.get_errno())"
        for number in (165, 175, 298, 321, 425, 250, 272)
    ],
)
def test_dockers_default_refuses_what_a_container_may_not(code: str) -> None:
    """mount, init_module, perf_event_open, bpf, io_uring_setup, keyctl, unshare: with EPERM."""
    assert python("DOCKER-DEFAULT", code) == (0, "1\n")
