"""The checkout on other releases of this machine's distribution: `make distributions`.

For each release debootstrap makes a userland, in a folder below build/distributions that is kept.
In it, as in a container (mounts of its own, the same kernel), a clone of what is committed is set
up and tested with the Python, bcc, libseccomp, libc and compiler of that release. Every step's
outcome is kept at once; the next run goes on after the last one that went well.

Needs root and the mirror of packages that this machine uses, or another one by --mirror.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AT = ROOT / "build" / "distributions"
RELEASES = {"debian": ("bookworm", "trixie", "sid"), "ubuntu": ("noble",)}
"""By ID of os-release(5): the mirror of one distribution has no release of another."""
FIRST = ("make", "git", "ca-certificates")
"""What a checkout needs before `make setup` can install the rest."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
STEPS = {
    "setup": "make setup .venv/.dev programs",
    "demo": "make demo",
    "unit": "make unit",
    "kernel": "make kernel",
}
VERSIONS = {
    "python": "python3",
    "bcc": "python3-bpfcc",
    "libseccomp": "libseccomp2",
    "libc": "libc6",
    "gcc": "gcc",
}
# Its own mounts, with the folder as their root: what a chroot(2) cannot do, as a user namespace.
ENTER = """
set -e
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
mkdir -p old
for at in proc sys dev; do mount --rbind "/$at" "$root/$at"; done
for at in tmp run; do mount -t tmpfs none "$root/$at"; done
pivot_root . old
cd /
umount -l old
cd src 2>/dev/null || :
exec "$@"
"""
COUNTED = re.compile(r"^=+ (.*(?:passed|failed).*) in [0-9.]+s", re.MULTILINE)


class Release(NamedTuple):
    """One userland."""

    suite: str
    mirror: str

    @property
    def root(self) -> Path:
        return AT / self.suite

    @property
    def notes(self) -> Path:
        """What is known of it, in JSON."""
        return AT / f"{self.suite}.json"

    def make(self) -> None:
        """With debootstrap, once; packages that were fetched are kept for the next."""
        if (self.root / "etc" / "made").exists():
            return
        shutil.rmtree(self.root, ignore_errors=True)
        cache = AT / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        words = ["debootstrap", "--variant=minbase", f"--cache-dir={cache}"]
        _quietly([*words, self.suite, self.root, self.mirror], AT / f"{self.suite}.log")
        # A mirror may lag behind, and be a copy whose index has expired.
        (self.root / "etc/apt/apt.conf.d/90old").write_text('Acquire::Check-Valid-Until "false";\n')
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, self.root / "etc/certificates-of-the-machine")
        install = "apt-get install -y -qq --no-install-recommends " + " ".join(FIRST)
        self.run("apt-get update -qq && " + install, AT / f"{self.suite}.log")
        (self.root / "etc" / "made").touch()

    def run(self, script: str, log: Path) -> int:
        """Run a shell's script within, in the clone if there is one; its exit status."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "PIP_CERT": "/etc/certificates-of-the-machine",
        }
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]
        with log.open("ab") as file:
            return subprocess.run(
                [*words, self.root, "bash", "-c", script],
                env=environment if CERTIFICATES.exists() else _without(environment, "PIP_CERT"),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
            ).returncode

    def clone(self) -> None:
        """Bring what is committed here there; what was built in it stays."""
        source = self.root / "src"
        if not source.exists():
            _quietly(["git", "clone", "-q", ROOT, source], AT / f"{self.suite}.log")
        with_hooks_off = ["git", "-C", source, "-c", "core.hooksPath=/dev/null"]
        _quietly([*with_hooks_off, "fetch", "-q", ROOT, "HEAD"], AT / f"{self.suite}.log")
        words = [*with_hooks_off, "checkout", "-q", "--force", "--detach", "FETCH_HEAD"]
        _quietly(words, AT / f"{self.suite}.log")

    def known(self) -> dict[str, dict[str, str]]:
        return json.loads(self.notes.read_text()) if self.notes.exists() else {}


def _without(environment: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key != name}


def _quietly(words: Sequence[str | Path], log: Path) -> None:
    """Run it; where it fails, end with its last words."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    with log.open("a") as file:
        file.write(done.stdout + done.stderr)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        sys.exit(f"{words[0]}: exit status {done.returncode}: {' '.join(last)}; see {log}")


def versions(release: Release) -> dict[str, str]:
    """What the release has of what sbtrace stands on."""
    log = AT / f"{release.suite}.versions"
    log.unlink(missing_ok=True)
    release.run(
        f"dpkg-query -W -f '${{Package}} ${{Version}}\\n' {' '.join(VERSIONS.values())}", log
    )
    lines = (line.split() for line in log.read_text().splitlines())
    found = {words[0]: words[-1] for words in lines if words}
    return {name: found.get(package, "none") for name, package in VERSIONS.items()}


def tried(release: Release, steps: Sequence[str], commit: str) -> Iterator[tuple[str, str]]:
    """Each step and what came of it; none is done again that went well at this commit."""
    known = release.known()
    for step in steps:
        before = known.get(step, {})
        if before.get("commit") != commit or before.get("status") != "0":
            known[step] = outcome(release, step) | {"commit": commit}
            release.notes.write_text(json.dumps(known, indent=1))
        yield step, known[step]["said"]


def outcome(release: Release, step: str) -> dict[str, str]:
    """Do one step; a test's has its counts."""
    log = AT / f"{release.suite}.{step}.log"
    log.unlink(missing_ok=True)
    start = time.monotonic()
    status = release.run(STEPS[step], log)
    counted = COUNTED.findall(log.read_text(errors="replace"))
    said = counted[-1] if counted else "done" if status == 0 else f"FAILS ({status}), see {log}"
    return {"status": str(status), "said": said, "seconds": f"{time.monotonic() - start:.0f}"}


def mirror() -> str:
    """The first one of this machine's own."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return found[0]


def distribution() -> str:
    text = Path("/etc/os-release").read_text()
    return re.findall(r"^ID=\"?(\w+)", text, re.MULTILINE)[0]


def main() -> int:
    usual = RELEASES.get(distribution(), ())
    parser = argparse.ArgumentParser(description=__doc__, prog="make distributions")
    parser.add_argument("--suite", action="append", help=f"one of them: {', '.join(usual)}")
    parser.add_argument("--mirror", help="where its packages are, if not where this machine's are")
    parser.add_argument("--step", action="append", choices=STEPS, help="only this, repeatable")
    asked = parser.parse_args()
    words = ["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    failed = False
    for suite in asked.suite or usual:
        release = Release(suite, asked.mirror or mirror())
        release.make()
        release.clone()
        print(f"{suite}, {commit}", flush=True)
        for step, said in tried(release, asked.step or list(STEPS), commit):
            print(f"  {step:10} {said}", flush=True)
            failed = failed or "fail" in said.lower()
        for name, version in versions(release).items():
            print(f"  {name:10} {version}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
