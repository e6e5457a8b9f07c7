"""Which program it is: by machine and parts, and not at all where there is none."""

from __future__ import annotations

import os

import pytest

from tracer.collectors.kernel.program import offsets
from tracer.collectors.kernel.program.variant import SHIPPED, Feature, Variant, variant
from tracer.errors import KernelError
from tracer.resources import bpf_dir


def on(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on another machine."""
    here = os.uname()
    there = os.uname_result((here.sysname, here.nodename, here.release, here.version, machine))
    monkeypatch.setattr(os, "uname", lambda: there)


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "x86"), ("aarch64", "arm64")])
def test_there_is_one_for_each_machine_that_is_known(
    monkeypatch: pytest.MonkeyPatch, machine: str, arch: str
) -> None:
    """Its name is a file's, and it has names for what its kernel has to say."""
    on(machine, monkeypatch)
    which = variant(frozenset({Feature.LOGGING}))
    assert which.machine == machine
    assert f"-D__TARGET_ARCH_{arch}" in which.definitions()
    assert which.name.startswith(machine)
    assert len(set(offsets.names(machine))) == len(offsets.names(machine)) > 20


def test_another_machine_is_told_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    on("riscv64", monkeypatch)
    with pytest.raises(KernelError, match="riscv64"):
        variant()


def test_variants_differ_by_name_and_macros() -> None:
    """What is built for one is never taken for another."""
    variants = [
        Variant(machine, page_bytes, features)
        for machine in ("x86_64", "aarch64")
        for page_bytes in (4096, 65536)
        for features in SHIPPED
    ]
    assert len({which.name for which in variants}) == len(variants)
    assert len({tuple(which.definitions()) for which in variants}) == len(variants)
    logging = [which for which in variants if Feature.LOGGING in which.features]
    assert [which for which in variants if "-DLOGGING" in which.definitions()] == logging
    assert len(logging) == 4


def test_each_feature_is_a_header_that_its_macro_takes_in() -> None:
    source = (bpf_dir() / "sbtrace.c").read_text()
    for feature in Feature:
        assert f'#ifdef {feature.upper()}\n#include "{feature}.h"\n#endif\n' in source
    assert frozenset() in SHIPPED
