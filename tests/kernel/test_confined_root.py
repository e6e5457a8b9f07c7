"""What a target of root's cannot write under a profile that filters: the kernel's switches, its
own bound, devices, and what is sbtrace's. It has no capability, but root's files are its own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import NOBODY, ROOT, run, skip
from tracer.sandbox import mounts

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

SBTRACE = str(Path(sys.executable).parent / "sbtrace")
PYTHON = "/usr/bin/python3"
LEAST = 'name = "LEAST"\ndescription = "x"\ndefault_action = "allow"\n[errno]\nEPERM = ["reboot"]\n'
# Says for each path that it could open for writing.
OPENS = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.close(os.open(path, os.O_WRONLY))
        print("opened", path)
    except OSError:
        pass
"""
# Says which cgroup it could leave its own for, raise a bound of, kill, or put a new one into.
CGROUPS = """
import os, sys
for point in sys.argv[1:]:
    for folder, _folders, _names in os.walk(point):
        for name in ("cgroup.procs", "pids.max", "cgroup.kill"):
            try:
                with open(f"{folder}/{name}", "w") as file:
                    file.write("0")
                print(folder, name)
            except OSError:
                pass
        try:
            os.mkdir(f"{folder}/mine")
            print(folder, "mine")
        except OSError:
            pass
"""
# Says what of a folder no process owns and could be written.
WALK = """
import os, sys
top = sys.argv[1]
for folder, folders, files in os.walk(top):
    if folder == top:
        folders[:] = [f for f in folders if not f.isdecimal() and f not in ("pressure",)]
    folders[:] = [f for f in folders if not os.path.islink(os.path.join(folder, f))]
    for name in files:
        path = os.path.join(folder, name)
        if not os.path.islink(path) and os.access(path, os.W_OK, effective_ids=True):
            print(path)
"""


# Tries to make /proc/sys writable again, to look beneath, and to mount another /proc.
IN_USER_NAMESPACE = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER, NEWPID, BIND, REMOUNT = 0x20000, 0x10000000, 0x20000000, 4096, 32
def attempt(result):
    print("done" if result == 0 else errno.errorcode[ctypes.get_errno()], flush=True)
if libc.unshare(NEWUSER | NEWNS | NEWPID) == 0:
    print("inside", flush=True)
if os.fork() == 0:
    attempt(libc.mount(None, b"/proc/sys", None, ctypes.c_ulong(BIND | REMOUNT), None))
    attempt(libc.umount2(b"/proc/sys", 0))
    attempt(libc.mount(b"proc", b"/mnt", b"proc", ctypes.c_ulong(0), None))
    attempt(libc.open(b"/proc/sys/kernel/core_pattern", os.O_WRONLY))
    os._exit(0)
os.wait()
"""


# Runs words in a chroot(2) whose root is a plain folder, and says whether anything came of it
# in the mounts that it was called from, which are shared as those of a machine are.
IN_CHROOT = """
set -eu
root=$1; shift
for folder in /*/; do
    folder=${folder%/}
    [ ! -L "$folder" ] || { cp -P "$folder" "$root/"; continue; }
    mkdir "$root$folder"
    mount --rbind "$folder" "$root$folder"
done
cp /proc/self/mountinfo "$root/before"
chroot "$root" sh -c 'cd "$1" && shift && exec "$@"' sh "$PWD" "$@"
cmp /proc/self/mountinfo "$root/before" >&2
"""


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """For a run under a profile that filters as little as one can, and bounds processes."""
    profile = tmp_path / "least.toml"
    profile.write_text(LEAST + "[limits]\nprocesses = 20\n")
    return ["--trace", "none", "--profile", str(profile)]


def could_open(sbtrace: Sbtrace, options: list[str], *paths: str | Path) -> list[str]:
    done = sbtrace("run", "-q", *options, PYTHON, "-S", "-c", OPENS, *paths)
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("opened ") for line in done.stdout.splitlines()]


def test_the_attempts_would_succeed_by_files_modes_alone(sbtrace: Sbtrace) -> None:
    """Else the other tests would tell nothing; these are opened, and not written."""
    paths = ["/proc/sys/kernel/core_pattern", "/proc/mtrr", str(ROOT / "tracer/errors.py")]
    assert could_open(sbtrace, ["--trace", "none", "--cap", "keep"], *paths) == paths


@pytest.mark.parametrize("top", ["/proc", "/sys"])
def test_nothing_of_the_kernels_can_be_written(
    sbtrace: Sbtrace, options: list[str], top: str
) -> None:
    done = sbtrace("run", "-q", *options, PYTHON, "-S", "-c", WALK, top)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_bound_on_processes_can_neither_be_raised_nor_left(
    sbtrace: Sbtrace, options: list[str]
) -> None:
    found = {mount.point for mount in mounts.mounted() if mount.kind.startswith("cgroup")}
    assert found
    done = sbtrace("run", "-q", *options, PYTHON, "-S", "-c", CGROUPS, *found)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_device_can_be_opened_but_what_every_user_may(
    sbtrace: Sbtrace, options: list[str], tmp_path: Path
) -> None:
    others = [str(path) for path in Path("/dev").rglob("*") if path.is_block_device()]
    others += [f"/dev/{name}" for name in ("kmsg", "mem", "port", "tty0", "kvm", "fuse", "uinput")]
    usual = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "ptmx")]
    elsewhere = tmp_path / "disk"
    os.mknod(elsewhere, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    assert could_open(sbtrace, options, elsewhere, *others, *usual) == usual


def test_what_is_sbtraces_own_cannot_be_written(sbtrace: Sbtrace, options: list[str]) -> None:
    assert sbtrace("run", "-q", "--trace", "none", "true").returncode == 0
    spool = sbtrace.db.with_name(sbtrace.db.name + ".spool")
    own = [sbtrace.db, *(path for path in spool.rglob("*") if path.is_file())]
    own += [ROOT / "tracer/errors.py", ROOT / "bpf/sbtrace.c", ROOT / "profiles/STRICT.toml"]
    own += [ROOT / "queries/errors.sql", Path(sys.prefix) / "pyvenv.cfg"]
    assert could_open(sbtrace, options, *own) == []
    folders = [spool, ROOT / "tracer", Path(sys.prefix), "/var/cache/sbtrace"]
    made = " ".join(f"{folder}/made" for folder in folders)
    script = f"for f in {made}; do (: > $f) 2>/dev/null && echo $f; done; :"
    assert sbtrace("run", "-q", *options, "sh", "-c", script).stdout == ""
    assert sbtrace("run", "-q", *options, "rm", "-rf", spool, sbtrace.db).returncode == 1
    assert sbtrace.sql("SELECT count(*) AS n FROM runs") == [{"n": 4}]


def test_the_folder_of_the_default_database_cannot_be_written_before_there_is_one(
    sbtrace: Sbtrace, options: list[str], tmp_path: Path
) -> None:
    env = {"SBTRACE_DB": "", "XDG_STATE_HOME": str(tmp_path)}
    words = ["touch", tmp_path / "sbtrace" / "sbtrace.duckdb"]
    done = sbtrace("run", "-q", *options, *words, env=env)
    assert "Read-only file system" in done.stderr


def test_a_current_folder_leads_to_nothing_beneath(sbtrace: Sbtrace, options: list[str]) -> None:
    script = "(: > core_pattern) 2>/dev/null && echo written; pwd"
    done = sbtrace("run", "-q", *options, "sh", "-c", script, cwd=Path("/proc/sys/kernel"))
    assert done.stdout == "/proc/sys/kernel\n"


def test_a_user_namespace_does_not_undo_it(sbtrace: Sbtrace, options: list[str]) -> None:
    """The target has all capabilities in one, and none over what was mounted outside."""
    if run(["unshare", "--user", "true"]).returncode != 0:
        skip("the kernel makes no user namespace here, as in a chroot")
    done = sbtrace("run", "-q", *options, PYTHON, "-S", "-c", IN_USER_NAMESPACE)
    assert done.stdout.split() == ["inside", "EPERM", "EINVAL", "EPERM", "EROFS"], done.stderr


def test_a_terminal_of_its_own_can_be_had(sbtrace: Sbtrace, options: list[str]) -> None:
    script = "import os, pty; print(os.ttyname(pty.openpty()[1]))"
    assert sbtrace("run", "-q", *options, PYTHON, "-c", script).stdout.startswith("/dev/pts/")


def test_the_rest_of_the_machine_is_as_ever(sbtrace: Sbtrace, options: list[str]) -> None:
    script = (
        "echo x > /dev/shm/sbtrace-$$ && rm /dev/shm/sbtrace-$$; echo y > made && cat made;"
        "echo name > /proc/self/comm; echo 0 > /proc/self/oom_score_adj; pwd"
    )
    folder = sbtrace.folder / "work"
    folder.mkdir()
    done = sbtrace("run", "-q", *options, "sh", "-c", script, cwd=folder)
    assert (done.stdout, done.stderr) == (f"y\n{folder}\n", "")


def test_no_mount_of_a_target_is_seen_outside(sbtrace: Sbtrace, options: list[str]) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    assert sbtrace("run", "-q", *options, "true").returncode == 0
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_chroot_whose_root_is_no_mount_is_confined_too_and_shows_nothing_outside(
    sbtrace: Sbtrace, options: list[str]
) -> None:
    """As debootstrap makes it: there is no mount whose attributes could be changed."""
    root, work = sbtrace.folder / "root", sbtrace.folder / "work"
    root.mkdir()
    work.mkdir()
    script = "(: > /proc/sys/kernel/core_pattern) 2>/dev/null && echo written; pwd; ls -d /before"
    shared = ["unshare", "--mount", "--propagation", "shared", "sh", "-c", IN_CHROOT, "sh", root]
    words = [SBTRACE, "run", "-q", "--db", sbtrace.db, *options, "sh", "-c", script]
    done = run([*shared, *words], cwd=work)
    assert (done.stderr, done.stdout) == ("", f"{work}\n/before\n")


@pytest.mark.parametrize("more", [["--user", str(NOBODY)], ["--cap", "keep"]])
def test_who_has_no_need_or_could_undo_it_stays_in_the_callers_mounts(
    sbtrace: Sbtrace, options: list[str], more: list[str]
) -> None:
    own = str(Path("/proc/self/ns/mnt").readlink())
    words = ["readlink", "/proc/self/ns/mnt"]
    assert sbtrace("run", "-q", *options[:2], *more, *words).stdout.strip() == own
    assert sbtrace("run", "-q", *options, *words).stdout.strip() != own


def test_root_that_may_make_no_mounts_runs_without_and_is_told(
    sbtrace: Sbtrace, options: list[str]
) -> None:
    """As in many containers, whose own mounts are read-only in the same places."""
    words = ["setpriv", "--bounding-set", "-sys_admin", SBTRACE, "run", "-q"]
    done = subprocess.run(
        [*words, "--db", sbtrace.db, *options[:2], "--cap", "none", "echo", "hi"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("sbtrace: the target could write root's files")
    assert "--user NAME" in line
