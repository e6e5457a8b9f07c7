"""The part of a filter that lets one execve through, recognised and taken out."""

from __future__ import annotations

import platform

import pytest

from tracer import syscalls
from tracer.profile import load, machine, once, parse
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filter_

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")
ONCE = 'exec = "once"\n'
PROFILES = [
    'default_action = "kill_process"\n' + ONCE,
    'default_action = "allow"\n' + ONCE + 'abis = ["native", "i386", "x32"]\n',
    'default_action = "errno:EPERM"\nunknown = "errno:ENOSYS"\n' + ONCE + 'allow = ["read"]\n',
    'default_action = "allow"\n' + ONCE + '[errno]\nEXFULL = ["execve"]\n',
]


def secret(program: machine.Program) -> tuple[int, ...]:
    """The last two arguments that its words make, each the lower half first."""
    at = next(at for at in range(len(program)) if once.without_secret(program[at:]) is None) - 1
    words = [program[at + offset].k for offset in once.SECRET_AT]
    return words[0] | words[1] << 32, words[2] | words[3] << 32


@pytest.mark.parametrize("text", PROFILES)
def test_what_is_left_lets_no_execve_through_and_holds_no_word_of_the_secret(text: str) -> None:
    profile = parse(text, "once.toml")
    program = filter_.compile(profile).program()
    args = (0, 0, 0, 0, *secret(program))
    execve = syscalls.number("x86_64", "execve") or 0
    assert verdict(machine.run(program, "x86_64", execve, args)).kind == "allow"
    left = once.without_secret(program)
    assert left is not None
    assert len(left) == len(program)
    words = {half for arg in args[4:] for half in (arg & 0xFFFF_FFFF, arg >> 32)}
    assert not words & {each.k for each in left}
    assert once.without_secret(left) is None
    for name in ("execve", "execveat", "read", "mount", "listns"):
        nr = syscalls.number("x86_64", name) or 0
        said = str(verdict(machine.run(left, "x86_64", nr, args)))
        assert said == str(profile.decide("x86_64", nr).action), name


@pytest.mark.parametrize("name", ["STRICT", "DOCKER-DEFAULT", "NETWORK-SERVER"])
def test_other_filters_are_left_as_they_are(name: str) -> None:
    assert once.without_secret(filter_.compile(load(name)).program()) is None


def test_what_only_looks_like_it_is_another_filter() -> None:
    """One instruction of another kind, and the filter does something else."""
    shape = once.with_secret(0x0005_0001)
    assert once.without_secret(shape) == (shape[-1],) * len(shape)
    for at, instruction in enumerate(shape[:-1]):
        other = instruction._replace(code=instruction.code ^ 0x10)
        assert once.without_secret((*shape[:at], other, *shape[at + 1 :])) is None
        if at not in once.SECRET_AT:
            other = instruction._replace(k=instruction.k ^ 4)
            assert once.without_secret((*shape[:at], other, *shape[at + 1 :])) is None
