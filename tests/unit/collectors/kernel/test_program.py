"""What the kernel refuses is said with its cause: rights that lack, or the program itself."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import pytest

from tracer.collectors.kernel import libbpf
from tracer.collectors.kernel.program import Program
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
