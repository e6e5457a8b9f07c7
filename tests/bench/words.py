"""Writes ``tracer/words/arguments.py`` and ``constants.py`` again, out of the kernel's own words.

``python -m tests.bench.words [--headers DIR]``, as root: the names of arguments are tracefs's, the
constants those of the UAPI headers in DIR (/usr/include), as the preprocessor and compiler give
them. A later kernel and later headers add to the tables; what they lack is kept.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tracer.words import arguments, constants

_ROOT = Path(__file__).parents[2] / "tracer" / "words"
_HEADERS = """
asm/fcntl.h asm/ioctls.h asm/mman.h asm/prctl.h asm/resource.h asm/signal.h asm/socket.h
linux/aio_abi.h linux/bpf.h linux/capability.h linux/eventfd.h linux/eventpoll.h linux/falloc.h
linux/fanotify.h linux/fcntl.h linux/fs.h linux/futex.h linux/fscrypt.h linux/if_tun.h linux/in.h
linux/in6.h linux/inotify.h linux/io_uring.h linux/ioprio.h linux/ipc.h linux/kcmp.h linux/kexec.h
linux/keyctl.h linux/kd.h linux/landlock.h linux/loop.h linux/membarrier.h linux/memfd.h
linux/mempolicy.h linux/mman.h linux/module.h linux/mount.h linux/msg.h linux/net.h
linux/netlink.h linux/nsfs.h linux/openat2.h linux/perf_event.h linux/personality.h linux/pidfd.h
linux/prctl.h linux/ptrace.h linux/quota.h linux/random.h linux/reboot.h linux/resource.h
linux/rseq.h linux/sched.h linux/seccomp.h linux/sem.h linux/shm.h linux/signalfd.h
linux/sockios.h linux/stat.h linux/tcp.h linux/time.h linux/timerfd.h linux/tiocl.h linux/udp.h
linux/userfaultfd.h linux/vm_sockets.h linux/vt.h linux/wait.h linux/xattr.h
""".split()  # noqa: SIM905 - so many are easier to read so
# The C library's: the kernel has these for itself alone (include/linux/socket.h, net.h, fs.h).
_LIBRARY = (
    *("sys/socket.h", "sys/epoll.h", "sys/mount.h", "sys/file.h", "unistd.h", "sched.h"),
    *("netinet/in.h", "netinet/tcp.h", "netinet/udp.h", "sys/shm.h"),
)
_PREFIXES = """
ADDR_ AF_ ARCH_ AT_ BLK BPF_ CLOCK_ CLONE_ DN_ EFD_ EPOLL FALLOC_FL_ FAN_ FD_ FIC FID FIO FIG FIN
FIF FSCONFIG_ FSMOUNT_ FSOPEN_ FSPICK_ FS_IOC_ FUTEX F_ GRND_ IN_ IOPRIO_ IORING_ IPC_ IPPROTO_
IPV6_ IP_ KCMP_ KD KEXEC_ KEYCTL_ KEY_SPEC_ LANDLOCK_ LINUX_REBOOT_ LOCK_ LOOP_ MADV_ MAP_ MCL_
MEMBARRIER_ MFD_ MLOCK_ MNT_ MODULE_INIT_ MOUNT_ATTR_ MOVE_MOUNT_ MPOL_ MREMAP_ MSG_ MS_ NETLINK_
NS_GET_ OPEN_TREE_ O_ PERF_EVENT_IOC_ PERF_FLAG_ PER_ PF_ PIDFD_ PRIO_ PROT_ PR_ PTRACE_ P_ Q_
RENAME_ RESOLVE_ RLIMIT_ RNDADD RNDCLEAR RNDGET RNDRESEED RNDZAP RSEQ_ RUSAGE_ RWF_ SCHED_
SECCOMP_ SEEK_ SEM SFD_ SHM_ SHUT_ SIG SIOC SOCK_ SOL_ SO_ SPLICE_F_ STATX_ SYNC_FILE_RANGE_ S_I
TC TFD_ TIMER_ TIOC TUN UFFD UMOUNT_ UNAME VMADDR_ VT_ W XATTR_
""".split()  # noqa: SIM905 - so many are easier to read so
_EXACT = frozenset(("R_OK", "W_OK", "X_OK", "F_OK", "MMAP_PAGE_ZERO", "READ_IMPLIES_EXEC"))
_KINDS = {
    "u": "unsigned|unsigned int|uid_t|gid_t|u32|__u32|qid_t|enum landlock_rule_type",
    "h": "umode_t",
    "i": "int|pid_t|clockid_t|timer_t|mqd_t|key_t|key_serial_t|rwf_t|__s32",
    "l": "long|off_t|loff_t",
}
_EVENTS = {  # by the functions' names, where the call has another
    "newfstat": "fstat",
    "newlstat": "lstat",
    "newstat": "stat",
    "newuname": "uname",
    "sendfile64": "sendfile",
    "umount": "umount2",
}


def main() -> None:
    """Write both tables, and say what was added."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headers", default="/usr/include", type=Path)
    parser.add_argument("--formats", default="/sys/kernel/tracing/events/syscalls", type=Path)
    given = parser.parse_args()
    found = constants.NUMBERS | numbers(given.headers)
    written("constants.py", "\n".join(f"{name} {found[name]:#x}" for name in sorted(found)))
    calls = arguments.ARGUMENTS | formats(given.formats)
    lines = (f"{name} {' '.join(':'.join(pair) for pair in calls[name])}" for name in sorted(calls))
    written("arguments.py", "\n".join(line.rstrip() for line in lines))


def written(name: str, table: str) -> None:
    """Put the table between the quotes of that file."""
    path = _ROOT / name
    text = re.sub(
        r'(?s)(_TEXT = """\n).*?(\n?""")', lambda m: m[1] + table + '\n"""', path.read_text()
    )
    path.write_text(text)
    print(f"{name}: {len(table.splitlines())} lines")


def formats(folder: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """The arguments of each call that tracefs knows, and what each is."""
    found = {}
    for path in folder.glob("sys_enter_*/format"):
        text = path.read_text()
        name = path.parent.name.removeprefix("sys_enter_")
        fields = re.findall(r"field:([^;]+);\toffset:(\d+);", text)
        given = [declared for declared, at in fields if int(at) >= 16]
        found[_EVENTS.get(name, name)] = tuple(argument(declared) for declared in given)
    return found


def argument(declared: str) -> tuple[str, str]:
    """Name and kind of ``unsigned long clone_flags``."""
    *words, name = declared.replace("*", "* ").split()
    kind = " ".join(word for word in words if word != "const")
    if "*" in kind:
        return name, "p"
    return name, next((k for k, names in _KINDS.items() if kind in names.split("|")), "U")


def numbers(headers: Path) -> dict[str, int]:
    """The constants of the families above, each as an unsigned number of 64 bits."""
    found: dict[str, int] = {}
    own = ["-nostdinc", "-isystem", str(headers)]
    if headers == Path("/usr/include"):
        own = []
    for flags, names in ([], _LIBRARY), (own, _HEADERS):
        for header in names:
            found |= evaluated(header, flags)
    return found


def evaluated(header: str, flags: list[str]) -> dict[str, int]:
    """What one header defines."""
    include = f"#define _GNU_SOURCE\n#include <linux/ioctl.h>\n#include <{header}>\n"
    macros = preprocessed(include, ["-dM", *flags])
    if macros is None:
        print(f"{header}: left out", file=sys.stderr)
        return {}
    words = set(re.findall(r"^#define ([A-Z][A-Z0-9_]*) .", macros, re.M))
    for body in re.findall(r"\benum\b[^{;]*\{(.*?)\}", preprocessed(include, flags) or "", re.S):
        words |= set(re.findall(r"\b([A-Z][A-Z0-9_]+)\b", body))
    wanted = sorted(w for w in words if w in _EXACT or w.startswith(tuple(_PREFIXES)))
    # Names for the newest of a family move with the headers.
    wanted = [word for word in wanted if not word.endswith(("_MAX", "_LAST", "_MASK_ALL"))]
    return compiled(include, flags, wanted)


def preprocessed(text: str, flags: list[str]) -> str | None:
    done = subprocess.run(
        ["gcc", "-E", *flags, "-"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def compiled(include: str, flags: list[str], names: list[str]) -> dict[str, int]:
    """The names that are constants, by a program that prints them; the others fall away."""
    with tempfile.TemporaryDirectory() as folder:
        while names:
            lines = [f"unsigned long long v_{n} = (unsigned long long)({n});" for n in names]
            assembly = Path(folder, "a.s")
            done = subprocess.run(
                ["gcc", "-fmax-errors=0", "-x", "c", "-S", "-o", str(assembly), *flags, "-"],
                input=f'{include}# 1 "names"\n' + "\n".join(lines),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                text = assembly.read_text()
                pairs = re.findall(r"^v_(\w+):\n\t\.(?:quad\t(-?\d+)|zero\t8)", text, re.M)
                return {name: int(value or 0) & (1 << 64) - 1 for name, value in pairs}
            wrong = {
                int(at) - 1 for at in re.findall(r"^names:(\d+):\d+: error", done.stderr, re.M)
            }
            if not wrong:
                return {}
            names = [name for at, name in enumerate(names) if at not in wrong]
    return {}


if __name__ == "__main__":
    main()
