"""The program as it was compiled when sbtrace was installed: of any kernel, so of this one too.

``python -m tracer.collectors.kernel.program.built`` compiles it, as root, since bcc makes the maps
of what it compiles. What it leaves is trusted as far as the C sources beside it: whoever can
write one can write the other, and root loads either.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

from tracer.collectors.kernel.program.artifact import Artifact
from tracer.collectors.kernel.program.offsets import names
from tracer.collectors.kernel.program.variant import MAKERS, SHIPPED, Variant, variant
from tracer.errors import KernelError
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from pathlib import Path


def load(which: Variant) -> Artifact | None:
    """Return the program; None if none was built, or not of these sources."""
    try:
        held = json.loads(_path(which).read_bytes())
        if held["of"] != _sources(which):
            return None
        return Artifact.parse(held["artifact"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def build(which: Variant) -> Path:
    """Compile and leave the program beside its sources; return where. Raises KernelError.

    Raises OSError if it cannot be written.
    """
    from tracer.collectors.kernel.program.compile import compile_program

    artifact = compile_program(which)
    path = _path(which)
    owner = bpf_dir().stat()
    path.parent.mkdir(exist_ok=True)
    building = path.with_suffix(f".{os.getpid()}")
    building.write_text(json.dumps({"of": _sources(which), "artifact": artifact.dump()}))
    for made in (path.parent, building):
        os.chown(made, owner.st_uid, owner.st_gid)
    building.rename(path)
    return path


def _path(which: Variant) -> Path:
    return bpf_dir() / "built" / f"{which.name}.json"


def _sources(which: Variant) -> str:
    """Return a digest of all that the compiled program comes from, but the compiler."""
    digest = hashlib.sha256()
    folder = bpf_dir()
    for source in sorted(folder.rglob("*.[ch]")):
        digest.update(f"{source.relative_to(folder)}\0".encode() + source.read_bytes())
    for module in MAKERS:
        digest.update(f"{module.name}\0".encode() + module.read_bytes())
    for word in (*which.definitions(), *names(which.machine)):
        digest.update(f"\0{word}".encode())
    return digest.hexdigest()


def main() -> None:
    """Build the variants of this machine that are shipped."""
    try:
        for features in SHIPPED:
            build(variant(features))
    except (KernelError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
