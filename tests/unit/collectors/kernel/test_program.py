"""What the kernel refuses is said with its cause: rights that lack, or the program itself."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import pytest

from tracer.collectors.kernel import wire
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.program.artifact import Artifact, MapShape
from tracer.collectors.kernel.program.loaded import Program, _require_layout
from tracer.errors import KernelError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EPERM, "takes CAP_BPF and CAP_PERFMON"),
        (errno.EACCES, "the kernel's verifier or a security module refuses"),
        (errno.ENOMEM, "Cannot allocate memory$"),
    ],
)
def test_rights_that_lack_and_a_program_that_is_refused_are_told_apart(
    code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> NoReturn:
        raise OSError(code, f"program sys_exit: {os.strerror(code)}")

    monkeypatch.setattr(libbpf, "create_map", refuse)
    monkeypatch.setattr(libbpf, "load_btf", refuse)
    with pytest.raises(KernelError, match=words):
        Program(lambda _record: None)


def an_artifact(**other: tuple[int, int]) -> Artifact:
    """One with the maps that are read, some of them with keys and values of other sizes."""
    sizes = {**wire.MAP_BYTES, **other}
    shapes = {name: MapShape(2, key, value, 1, 0) for name, (key, value) in sizes.items()}
    return Artifact({}, shapes, b"", (0, 0))


@pytest.mark.parametrize("name", wire.MAP_BYTES)
@pytest.mark.parametrize("more", [(8, 0), (0, 8)])
def test_a_program_whose_maps_are_laid_out_otherwise_is_not_loaded(
    name: str, more: tuple[int, int]
) -> None:
    key, value = wire.MAP_BYTES[name]
    with pytest.raises(KernelError, match=rf"map {name} is laid out otherwise .* install sbtrace"):
        _require_layout(an_artifact(**{name: (key + more[0], value + more[1])}))


def test_one_that_is_read_as_it_is_laid_out_may_be() -> None:
    _require_layout(an_artifact())
