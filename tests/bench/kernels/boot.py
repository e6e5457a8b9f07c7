"""A guest in QEMU without KVM: any kernel on the disks of ``image``, until its script ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support import ROOT

_MODULES = ("virtio_pci", "virtio_blk", "ext4", "9p", "9pnet_virtio", "virtio_rng")
_UNPACK = {".xz": ("xz", "-dc"), ".zst": ("zstd", "-dcq")}
_INIT = Path(__file__).with_name("init.sh")


class Disks(NamedTuple):
    """Neither is changed: what a guest writes is thrown away."""

    userland: Path
    checkout: Path


def boot(kernel: Path, words: str, disks: Disks, share: Path, seconds: float) -> int | None:
    """Run ``share/script`` on the kernel unpacked in ``kernel``; return its exit status.

    None: it did not come to its end, or not in time. ``share`` is /share in the guest, where the
    script leaves its results; ``log`` has what it printed, ``console`` what the kernel did.
    """
    status = share / "status"
    status.unlink(missing_ok=True)
    image = next(kernel.rglob("vmlinuz*"))  # in /boot, or of newer ones beside the modules
    initramfs = share / "initramfs.gz"
    _make_initramfs(kernel, initramfs)
    try:
        subprocess.run(
            _qemu(image, initramfs, words, disks, share),
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        initramfs.unlink()
    return int(status.read_text()) if status.exists() else None


def _qemu(image: Path, initramfs: Path, words: str, disks: Disks, share: Path) -> list[str]:
    line = f"console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off {words}"
    return [
        *("qemu-system-x86_64", "-machine", "q35"),
        *("-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "4G"),
        *("-nodefaults", "-no-reboot", "-nographic", "-display", "none", "-monitor", "none"),
        *("-serial", f"file:{share / 'console'}"),
        *("-kernel", os.fspath(image), "-initrd", os.fspath(initramfs), "-append", line),
        *("-drive", f"file={disks.userland},if=virtio,format=raw,snapshot=on"),
        *("-drive", f"file={disks.checkout},if=virtio,format=raw,snapshot=on"),
        *("-device", "virtio-rng-pci"),
        *("-virtfs", f"local,path={share},mount_tag=share,security_model=none"),
    ]


def _make_initramfs(kernel: Path, to: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sbtrace-initramfs-") as name:
        root = Path(name)
        for folder in ("bin", "modules", "proc", "sys", "dev", "root"):
            (root / folder).mkdir()
        shutil.copy("/bin/busybox", root / "bin/busybox")
        shutil.copy(_INIT, root / "init")
        (root / "init").chmod(0o755)
        (root / "checkout").write_text(os.fspath(ROOT))
        order = [_add_module(path, root / "modules") for path in _needed_modules(kernel)]
        (root / "modules/order").write_text("\n".join(order))
        pack = "find . | cpio -o -H newc --quiet | gzip -1"
        with to.open("wb") as file:
            subprocess.run(["sh", "-c", pack], cwd=root, stdout=file, check=True)


def _needed_modules(kernel: Path) -> list[Path]:
    """In the order in which they are to be loaded; a kernel has some built in."""
    paths: dict[Path, None] = {}
    for module in _MODULES:
        done = subprocess.run(
            ["modprobe", "-d", kernel, "-S", kernel.name, "--show-depends", module],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in done.stdout.splitlines():
            if line.startswith("insmod "):
                paths.setdefault(Path(line.split()[1]))
    return list(paths)


def _add_module(path: Path, to: Path) -> str:
    unpack = _UNPACK.get(path.suffix, ("cat",))
    name = path.name.removesuffix(path.suffix) if path.suffix in _UNPACK else path.name
    with (to / name).open("wb") as file:
        subprocess.run([*unpack, path], stdout=file, check=True)
    return name
