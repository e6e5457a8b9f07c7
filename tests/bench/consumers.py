"""Exports in the hands of those who take them, and Docker's profiles in ours: `make consumers`.

Each consumer starts a program under a filter that refuses one call, and netlink sockets where it
knows arguments; the program says what it got. Then Docker's and Podman's own profiles are imported,
and programs that people use run under them as without. Last, random profiles go through every
format and come back. As root; a consumer that is not installed is said to be missing.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.unit.profile.formats import agree
from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import Profile, formats, load, machine, parse
from tracer.profile.formats import Context
from tracer.profile.formats.context import context
from tracer.sandbox import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REFUSED, BY_ARGUMENT = errno.EXFULL, errno.EACCES
LISTED = f"""default_action = "allow"
[errno]
{errno.errorcode[REFUSED]} = ["getpgid"]
"""
# int is what the kernel takes: the upper half of the register does not count.
WITH_ARGUMENTS = f"""{LISTED}[[rule]]
syscalls = ["socket"]
action = "errno:{errno.errorcode[BY_ARGUMENT]}"
args = ["arg0 & 0xffffffff == 16"]
"""
PROBE = """#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  int listed = syscall(SYS_getpgid, 0) < 0 ? errno : 0;
  int netlink = syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0) < 0 ? errno : 0;
  int local = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
  printf("%d %d %d\\n", listed, netlink, local);
  return 0;
}
"""
DOCKER = {
    "docker 20.10": Path(
        "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"
    ),
    "containers-common 0.50": Path("/usr/share/containers/seccomp.json"),
}
OF_TODAY = "SBTRACE_DOCKER_DEFAULT"
"""Names a copy of github.com/moby/profiles' seccomp/default.json, which no package has."""
DOCKER_CAPABILITIES = (
    "CHOWN,DAC_OVERRIDE,FSETID,FOWNER,MKNOD,NET_RAW,SETGID,SETUID,SETFCAP,SETPCAP,"
    "NET_BIND_SERVICE,SYS_CHROOT,KILL,AUDIT_WRITE"
)
PROGRAMS = {
    "ls": "ls -l /usr/bin | wc -l",
    "find": "find /etc -name '*.conf' -type f | sort | head -20",
    "tar and xz": "tar -C /etc -cf - passwd group | xz | xz -d | tar -tf -",
    "sed and awk": "sed -n 1,9p /etc/passwd | awk -F: '{ print $1 }'",
    "git": "git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x"
    " && git log --format=%s",
    "gcc": "echo 'int main(void){return 7;}' > a.c && gcc a.c -o a && ./a; echo $?",
    "make": "printf 'all: b\\nb:\\n\\ttouch b\\n' > Makefile && make -s && ls b",
    "perl": "perl -e 'print join(q(,), map { $_ ** 2 } 1 .. 9)'",
    "python threads": "python3 -c 'import threading as t; a=[t.Thread(target=print,args=(n,))"
    " for n in range(3)]; [(x.start(), x.join()) for x in a]'",
    "python sockets": 'python3 -c \'import socket as s; a=s.socket(); a.bind(("127.0.0.1",0));'
    ' a.listen(); b=s.create_connection(a.getsockname()); c=a.accept()[0]; b.send(b"hi");'
    " print(c.recv(9))'",
    "sqlite": 'python3 -c \'import sqlite3; c=sqlite3.connect("x.db"); c.execute("create table'
    ' t(a)"); c.execute("insert into t values(7)"); c.commit(); print(c.execute("select * from'
    " t\").fetchall())'",
    "shell": "for n in 1 2 3; do (echo $n; sleep 0) & wait; done; kill -0 $$ && id -u",
}


class Place(NamedTuple):
    """What a consumer is given."""

    folder: Path
    listed: Path
    """An export that knows no arguments, in the consumer's format."""
    by_argument: Path
    """One that does."""


class Consumer(NamedTuple):
    """A program that takes one format."""

    name: str
    format: str
    command: Callable[[Place], str]
    answers: tuple[int, int, int]
    """What the probe is answered: getpgid, a netlink socket, a local one."""
    version: str = "--version"


_ALL, _LISTED = (REFUSED, BY_ARGUMENT, 0), (REFUSED, 0, 0)
_BUNDLE = "{name} --root {folder}/{name} {more} run --no-pivot --bundle {folder} sbtrace-{name}"


def _bundled(name: str, more: str = "") -> Callable[[Place], str]:
    return lambda place: _BUNDLE.format(name=name, folder=place.folder, more=more)


def _podman(place: Place) -> str:
    storage = f"--root {place.folder}/store --runroot {place.folder}/store.run"
    # Without CAP_SYS_RESOURCE no limit can be raised to Podman's own.
    limits = "--ulimit nofile=1000:1000 --ulimit nproc=1000:1000"
    return _in_pure_layout(
        f"podman --runtime crun {storage} --storage-driver vfs --cgroup-manager cgroupfs run --rm "
        f"--network none --cgroups=disabled {limits} --security-opt seccomp={place.by_argument} "
        f"--rootfs {place.folder}/rootfs /probe"
    )


def _in_pure_layout(command: str) -> str:
    """crun wants a pure cgroup layout: in a mount namespace of its own it has one."""
    mounted = "umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    return f"unshare -m sh -c '{mounted}; exec {command}'"


def _dockerd(place: Place) -> str:
    """A daemon that sees a /run of its own, ends with the shell, and leaves no cgroup."""
    at, group = place.folder / "docker", f"sbtrace-{os.getpid()}"
    client = f"docker --config {at}/config --host unix://{at}/socket"
    daemon = (
        f"dockerd --host unix://{at}/socket --pidfile {at}/pid --data-root {at}/data "
        f"--exec-root {at}/exec --bridge=none --iptables=false --ip-forward=false "
        f"--storage-driver=vfs --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /{group}"
    )
    own = f"mount -t tmpfs tmpfs /run; exec setpriv --pdeathsig TERM {daemon}"
    return f"""mkdir {at}
unshare -m sh -c '{own}' >{at}/log 2>&1 & daemon=$!
until {client} version >{at}/version 2>&1 || ! kill -0 $daemon; do sleep 0.1; done
tar -C rootfs -c . | {client} import - sbtrace-probe >{at}/image
{client} run --rm --network none --security-opt seccomp={place.by_argument} sbtrace-probe /probe
kill $daemon; wait $daemon
find /sys/fs/cgroup -depth -type d -name {group} -exec rmdir {{}} +"""


def _nspawn(place: Place) -> str:
    """It knows names alone, and answers EPERM: they are those of the exported line."""
    line = next(x for x in place.listed.read_text().splitlines() if "SystemCallFilter=" in x)
    names = " ".join(word.partition(":")[0] for word in line.partition("=")[2].split())
    return (
        f"systemd-nspawn -q --register=no --keep-unit -D {place.folder}/rootfs "
        f"'--system-call-filter={names}' /probe"
    )


CONSUMERS = (
    Consumer(
        "bwrap", "bpf",
        lambda p: f"bwrap --ro-bind / / --seccomp 3 rootfs/probe 3<{p.by_argument}", _ALL,
    ),
    Consumer(
        "firejail", "firejail",
        lambda p: f"firejail --quiet --profile={p.listed} {p.folder}/rootfs/probe", _LISTED,
    ),
    Consumer("runc", "oci", _bundled("runc"), _ALL),
    Consumer(
        "crun", "oci",
        lambda p: _in_pure_layout(_bundled("crun", "--cgroup-manager=disabled")(p)), _ALL,
    ),
    Consumer("podman", "oci", _podman, _ALL),
    Consumer("dockerd", "oci", _dockerd, _ALL),
    Consumer("systemd-nspawn", "systemd", _nspawn, (errno.EPERM, 0, 0)),
)  # fmt: skip


def consumers(folder: Path) -> bool:
    """Start each consumer once; True if each refused what it was to refuse."""
    _rootfs(folder)
    good = True
    for consumer in CONSUMERS:
        if shutil.which(consumer.name) is None:
            print(f"{consumer.name:16} not installed", flush=True)
            continue
        place = _exported(folder, consumer.format)
        done = _shell(consumer.command(place), folder)
        lines = done.stdout.split("\n")
        wanted = " ".join(map(str, consumer.answers))
        is_good = wanted in (line.strip() for line in lines)
        said = "refuses what it was to refuse" if is_good else f"FAILS: {done.stderr[-300:]}"
        good = good and is_good
        print(f"{consumer.name:16} {consumer.format:9} {said} ({_version(consumer)})", flush=True)
    return good


def _version(consumer: Consumer) -> str:
    shown = subprocess.run(
        [consumer.name, consumer.version], capture_output=True, text=True, check=False
    )
    return (shown.stdout or shown.stderr).split("\n")[0].strip()


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _rootfs(folder: Path) -> None:
    """A root with the probe alone, and what systemd-nspawn looks for."""
    for name in ("etc", "usr/lib", "proc", "sys", "dev", "tmp"):
        (folder / "rootfs" / name).mkdir(parents=True)
    (folder / "rootfs/etc/os-release").touch()
    source = folder / "probe.c"
    source.write_text(PROBE)
    probe = folder / "rootfs/probe"
    subprocess.run(["gcc", "-static", "-O2", "-o", probe, source], check=True)
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/probe"],
            "cwd": "/",
            "env": ["PATH=/"],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
            "seccomp": json.loads(_export(WITH_ARGUMENTS, "oci")),
        },
    }
    (folder / "config.json").write_text(json.dumps(config))


def _exported(folder: Path, format_: str) -> Place:
    paths = []
    for kind, text in (("listed", LISTED), ("by_argument", WITH_ARGUMENTS)):
        suffix = {"firejail": ".profile", "oci": ".json"}.get(format_, f".{format_}")
        path = folder / f"{kind}{suffix}"
        path.write_bytes(_export(text, format_))
        paths.append(path)
    return Place(folder, *paths)


def _export(text: str, format_: str) -> bytes:
    profile = parse(text, "consumed.toml")
    return formats.export(profile, format_, filters.compile).data


def analyzed(folder: Path) -> bool:
    """Whether systemd-analyze finds in STRICT's lines what STRICT refuses, and in none nothing."""
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze  not installed")
        return True
    strict = load("STRICT")
    lines = formats.export(strict, "systemd", filters.compile).data.decode()
    found = {name: _groups(folder, name, text) for name, text in (("strict", lines), ("none", ""))}
    good = all(found["strict"].values()) and not any(found["none"].values())
    said = f"of {len(found['strict'])} groups STRICT refuses {sum(found['strict'].values())}"
    print(f"systemd-analyze  systemd   {said}, a unit without lines {sum(found['none'].values())}")
    return good


def _groups(folder: Path, name: str, lines: str) -> dict[str, bool]:
    unit = folder / f"sbtrace-{name}.service"
    unit.write_text(f"[Unit]\n[Service]\nExecStart=/bin/true\n{lines.replace('[Service]', '')}")
    done = _shell(f"systemd-analyze security --offline=true --json=short {unit}", folder)
    rows = json.loads(done.stdout)
    return {
        row["json_field"]: row["set"]
        for row in rows
        if (row["json_field"] or "").startswith("SystemCallFilter_")
    }


def docker(folder: Path) -> bool:
    """Whether the programs do under the imported profiles as without a filter."""
    good = True
    plain = {name: _program(folder, name, []) for name in PROGRAMS}
    sbtrace = [str(Path(sys.executable).parent / "sbtrace"), "run", "--json"]
    for label, path in _docker_profiles().items():
        if not path.exists():
            print(f"{label}: not installed")
            continue
        made = formats.import_(path.read_bytes(), context(str(path), ("docker",)))
        profile = folder / f"{label.replace(' ', '-')}.toml"
        profile.write_text(made.text)
        print(f"\n{label}: {_refused(made.text)}; {len(made.losses)} lost; {_beside(made.text)}")
        for name in PROGRAMS:
            record = folder / "record.json"
            under = [*sbtrace, "-o", str(record), "--profile", str(profile)]
            done = _program(folder, name, [*under, "--cap", DOCKER_CAPABILITIES, "--"])
            same = (done.returncode, done.stdout) == (plain[name].returncode, plain[name].stdout)
            good = good and same and plain[name].returncode == 0
            blocked = json.loads(record.read_text())["blocked_syscalls"]
            how = "as without" if same else f"DIFFERENT: {done.stderr[-200:]}"
            print(f"  {name:16} {how}, {blocked} blocked", flush=True)
    return good


def _docker_profiles() -> dict[str, Path]:
    given = os.environ.get(OF_TODAY)
    return {**DOCKER, "docker of today": Path(given)} if given else DOCKER


def _beside(text: str) -> str:
    """How much it has in common with the profile that is shipped as Docker's."""
    differences = agree.differences(load("DOCKER-DEFAULT"), parse(text, "docker.toml"))
    return f"{len(differences)} of the calls that were tried otherwise than DOCKER-DEFAULT"


def _program(folder: Path, name: str, before: list[str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        return subprocess.run(
            [*before, "sh", "-c", PROGRAMS[name]],
            cwd=work,
            env={**os.environ, "SBTRACE_DB": str(folder / "runs.duckdb"), "HOME": work},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _refused(text: str) -> str:
    profile = parse(text, "docker.toml")
    native = syscalls.native_abi()
    names = syscalls.names(native)
    decided = {n: profile.decide(native, syscalls.number(native, n) or 0) for n in names}
    depends = {name for name in names if name in profile.conditional}
    refused = {n for n, found in decided.items() if not found.action.permits} - depends
    return f"of {len(names)} calls {len(refused)} are refused, {len(depends)} by arguments"


def rounds(count: int) -> bool:
    """Whether random profiles decide the same after each way out and in, or the loss is named."""
    good = True
    for format_ in ("oci", "bpf", "spo", "systemd", "firejail", "minijail"):
        actions = agree.SAYABLE.get(format_, agree.ACTIONS)
        by_arguments = format_ not in ("systemd", "firejail")
        profiles = agree.random_profiles("bench", count, actions, by_arguments=by_arguments)
        said = [_round(profile, format_) for profile in profiles]
        same, named = said.count("same"), said.count("named")
        good = good and same + named == count
        print(f"{format_:9} {same} of {count} decide the same, {named} with a named loss")
    return good


def _round(before: Profile, format_: str) -> str:
    try:
        made = formats.export(before, format_, filters.compile)
    except ProfileError:  # firejail has no line for a profile that refuses, or allows, no call
        return "named"
    back = formats.import_(made.data, Context("own"), format_)
    abis = (agree.NATIVE,) if format_ in ("firejail", "minijail") else None
    if not agree.differences(before, parse(back.text, "back.toml"), abis):
        return "same"
    return "named" if made.losses or back.losses else "FAILS"


class _Fprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _kafel(text: bytes) -> machine.Program | None:
    """What kafel's own library makes of a policy; None if it refuses it."""
    library = ctypes.CDLL(os.environ["SBTRACE_KAFEL"])
    library.kafel_ctxt_create.restype = ctypes.c_void_p
    made, found = ctypes.c_void_p(library.kafel_ctxt_create()), _Fprog()
    library.kafel_set_input_string(made, text)
    if library.kafel_compile(made, ctypes.byref(found)):
        return None
    return machine.program(ctypes.string_at(found.filter, found.len * 8))


def _minijail(text: bytes) -> machine.Program | None:
    """What minijail's own parser makes of a policy; None if it refuses it."""
    with tempfile.NamedTemporaryFile() as out:
        command = ["parse_seccomp_policy", f"--dump={out.name}", "-"]
        done = subprocess.run(command, input=text, capture_output=True, check=False)
        return machine.program(out.read()) if done.returncode == 0 else None


def compilers(count: int) -> bool:
    """Whether exports for kafel and minijail decide the same, compiled by their own programs.

    Debian 12 has neither: $SBTRACE_KAFEL is a libkafel.so, parse_seccomp_policy is on PATH.
    """
    good = True
    if "SBTRACE_KAFEL" in os.environ:
        profiles = (load("STRICT"), load("RESOURCE-AWARE"), *agree.random_profiles("kafel", count))
        good = _compiled("kafel", profiles, _kafel)
    if shutil.which("parse_seccomp_policy"):
        killing = ("allow", "kill_process")
        profiles = (load("STRICT"), *agree.random_profiles("minijail2", count, killing))
        good = _compiled("minijail", profiles, _minijail) and good
    return good


def _compiled(
    format_: str,
    profiles: Iterable[Profile],
    compile_: Callable[[bytes], machine.Program | None],
) -> bool:
    taken = refused = same = different = 0
    for profile in profiles:
        made = formats.export(profile, format_, filters.compile)
        theirs, mine = compile_(made.data), filters.compile(profile).program()
        refused += theirs is None
        taken += theirs is not None
        for call in agree.calls(profile, profile, (agree.NATIVE,)) if theirs else ():
            ours = agree.answer(mine, *call)
            alike = _one_kill(ours) == _one_kill(agree.answer(theirs or (), *call))
            same, different = same + alike, different + (not alike and not made.losses)
    print(f"{format_:9} takes {taken}, refuses {refused}; {same} calls alike, {different} not")
    return different == 0


def _one_kill(answer: str) -> str:
    """minijail kills the thread or the process by an option, not by its policy."""
    return answer.replace("kill_process", "kill_thread")


def main() -> int:
    if os.geteuid() != 0:
        print("consumers: as root", file=sys.stderr)
        return 125
    with tempfile.TemporaryDirectory(prefix="sbtrace-consumers-") as at:
        folder = Path(at)
        good = [consumers(folder), analyzed(folder), docker(folder), rounds(300)]
        good.append(compilers(20))
        _unmount(folder)
    return 0 if all(good) else 1


def _unmount(folder: Path) -> None:
    """What Podman leaves mounted, which is in the way of removing the folder."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(str(folder)):
            subprocess.run(["umount", "-l", line.split()[1]], check=False)


if __name__ == "__main__":
    sys.exit(main())
