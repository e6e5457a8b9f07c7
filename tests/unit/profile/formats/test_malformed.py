"""Files that are no sound ones of their format: one clear line, and no profile."""

from __future__ import annotations

import json
import random
import re
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tracer.errors import ProfileError
from tracer.profile import formats, machine
from tracer.profile.formats import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 150
_ENTRY = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
_ARG = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}
_WRONG = ("", "SCMP_ACT_ALOW", 7, None, [], {}, True)


def _oci(entry: object = None, **top: Any) -> dict[str, Any]:
    entries = [_ENTRY, _ENTRY if entry is None else entry]
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": entries, **top}


def _oci_files(chooser: random.Random) -> Iterator[str]:
    """Each with one thing wrong."""
    wrong = chooser.choice(_WRONG)
    number = chooser.choice((-1, 1 << 64, "5", 1.5, True))
    arg = chooser.choice(("index", "value"))
    broken = [
        _oci(defaultAction=wrong),
        _oci({**_ENTRY, "action": wrong}),
        _oci({**_ENTRY, "names": chooser.choice(([], [""], "read", 5, [5], None))}),
        _oci({**_ENTRY, chooser.choice(("arg", "errnoret", "name", "action2")): "x"}),
        _oci({**_ENTRY, "args": [{**_ARG, arg: number}]}),
        _oci({**_ENTRY, "args": [{**_ARG, "index": chooser.randrange(6, 99)}]}),
        _oci({**_ENTRY, "args": [{**_ARG, "op": chooser.choice(("EQ", "==", 5, "SCMP_CMP_EG"))}]}),
        _oci({**_ENTRY, "args": [{key: _ARG[key] for key in ("index", "value")}]}),
        _oci({**_ENTRY, "args": chooser.choice(("x", {}, 5, [5], [[]]))} | {"args": 5}),
        _oci(
            {**_ENTRY, "action": "SCMP_ACT_ERRNO", "errnoRet": chooser.choice(("1", -1, 1 << 20))}
        ),
        _oci({**_ENTRY, "includes": {"minKernel": chooser.choice((5, "4", "x.y", "4.8.1"))}}),
        _oci({**_ENTRY, "includes": {chooser.choice(("cap", "arch", "kernel")): []}}),
        _oci({**_ENTRY, "excludes": {"caps": chooser.choice(("x", [5], 5))}}),
        _oci(architectures=chooser.choice((["x86_64"], "x", [5], ["SCMP_ARCH_S390X"]))),
        _oci(chooser.choice((5, "read", []))),
        _oci(syscalls=chooser.choice((5, "x", {}))),
        _oci(**{chooser.choice(("syscall", "default", "archmap")): []}),
        chooser.choice(([], 5, "x", None)),
        {"linux": {}},
    ]
    whole = json.dumps(_oci(), indent=1)
    yield json.dumps(chooser.choice(broken))
    yield whole[: chooser.randrange(2, len(whole) - 2)]
    yield whole.replace('"names"', '"action": "SCMP_ACT_LOG", "names"', 1)


def _spo_files(chooser: random.Random) -> Iterator[str]:
    spec = _oci({**_ENTRY, "action": "SCMP_ACT_ERRNO", "errnoRet": chooser.choice(("x", "", "-1"))})
    yield json.dumps({"kind": "SeccompProfile", "spec": spec})
    yield json.dumps({"kind": chooser.choice(("Pod", None, 5)), "spec": _oci()})
    yield json.dumps({"kind": "SeccompProfile", "spec": chooser.choice((None, 5, []))})


def _systemd_files(chooser: random.Random) -> Iterator[str]:
    before = "\n" * chooser.randrange(5)
    lines = (
        *(
            "SystemCallFilter=@no-such",
            "SystemCallFilter=read,write",
            "SystemCallFilter=read:EPERM",
        ),
        *("SystemCallFilter=~read:ENONE", "SystemCallFilter=~read:99999", "SystemCallFiltr=read"),
        *("SystemCallErrorNumber=5000", "SystemCallErrorNumber=NO", "SystemCallArchitectures=a,b"),
        *("SystemCallFilter", "read write", "SystemCallFilter=read \\", "SystemCallLog=@none"),
    )
    yield before + chooser.choice(lines)


def _minijail_files(chooser: random.Random) -> Iterator[str]:
    before = "# x\n" * chooser.randrange(5)
    lines = (
        *("read", "read:", "read: 2", "read: return", "read: return x", "read: arg6 == 1"),
        *("read: arg0 = 1", "read: arg0 == ", "read: arg0 == O_RDONLY", "read: arg0 in x|1"),
        *("read: arg0 == 1 &&", "read: arg0 == 1 || ; return 1", "read: 1\nread: 1", "@include x"),
        *(
            "read: arg0 == 1; return 9999",
            "read: arg0 == 0x1ffffffffffffffff",
            "re ad: 1",
            "x: 1 \\",
        ),
    )
    yield before + chooser.choice(lines)


def _firejail_files(chooser: random.Random) -> Iterator[str]:
    lines = (
        *("seccomp", "seccomp.keep", "seccomp.keep read,,write", "seccomp.drop @none", "include x"),
        *(
            "seccomp.drop read:NONE",
            "seccomp.dropp read",
            "seccomp-error-action",
            "seccomp.keep a b",
        ),
    )
    yield chooser.choice(lines)


def _bpf_files(chooser: random.Random) -> Iterator[bytes]:
    end = struct.pack("=HBBI", machine.RETURN, 0, 0, 0)
    one = struct.pack("=HBBI", machine.LOAD, 0, 0, 0)
    yield chooser.choice((b"", end[:5], one, one + end[:3], end * 4097, b"\xff" * 16))
    yield struct.pack("=HBBI", machine.LOAD, 0, 0, chooser.choice((1, 64, 1 << 20))) + end
    yield struct.pack("=HBBI", 0x15, chooser.randrange(2, 255), 0, 0) + end


_KINDS: dict[str, tuple[str, Callable[[random.Random], Iterator[str | bytes]]]] = {
    "oci": ("p.json", _oci_files),
    "spo": ("p.yaml", _spo_files),
    "systemd": ("p.service", _systemd_files),
    "minijail": ("p.policy", _minijail_files),
    "firejail": ("p.profile", _firejail_files),
    "bpf": ("p.bpf", _bpf_files),
}


@cache
def malformed() -> tuple[tuple[str, str, bytes], ...]:
    """Format, name and content; the same each time."""
    chooser = random.Random("malformed")  # noqa: S311 - a test's, the same each time
    found: dict[tuple[str, str, bytes], None] = {}
    while len(found) < COUNT:
        for format_, (name, files) in _KINDS.items():
            for file in files(chooser):
                found[format_, name, file if isinstance(file, bytes) else file.encode()] = None
    return tuple(found)[:COUNT]


def test_a_malformed_file_is_one_line_with_its_name_the_place_and_the_remedy() -> None:
    """A remedy is what follows a colon, a semicolon or an "or", or what is known instead."""
    assert len(malformed()) == COUNT
    unclear = []
    for format_, name, data in malformed():
        try:
            made = formats.import_(data, Context(name), format_)
        except ProfileError as error:
            said = str(error)
            if not re.fullmatch(rf"{re.escape(name)}:\S* ?.*(:|;|,|must|write|did you).+", said):
                unclear.append((data, said))
        else:
            unclear.append((data, made.text))
    assert unclear == []


@pytest.mark.parametrize("format_", sorted(_KINDS))
def test_bytes_that_are_no_text_are_an_error_too(format_: str) -> None:
    with pytest.raises(ProfileError, match=r"^own"):
        formats.import_(b"\xff\xfe\x00read: 1", Context("own"), format_)


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("oci", '{"defaultAction": ' + "9" * 5000 + "}", "wider than 64 bits"),
        ("oci", "[" * 100_000, "nested too deep"),
        ("oci", json.dumps(_oci({**_ENTRY, "args": [_ARG]} | {"names": ["mmap"] * 600})), "512"),
        ("minijail", "read: " + " || ".join(f"arg0 != {n}" for n in range(600)), "too many"),
        ("minijail", "read: return " + "9" * 5000, "no register is that wide"),
        ("minijail", "read: arg" + "9" * 5000 + " == 1", "no register is that wide"),
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(format_: str, text: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        formats.import_(text.encode(), Context("own"), format_)


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("format_", [*sorted(_KINDS), None])
def test_a_text_in_utf_16_is_said_to_be_one(format_: str | None, coding: str) -> None:
    with pytest.raises(ProfileError, match=r"^own: is UTF-16: save it as UTF-8$"):
        formats.import_("\ufeffread: 1\n".encode(coding), Context("own"), format_)


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("oci", json.dumps(_oci({**_ENTRY, "includes": {"minKernel": "4.\u0668"}}))),
        ("minijail", "read: arg\u0665 == 1"),
    ],
)
def test_digits_of_other_scripts_are_no_numbers(format_: str, text: str) -> None:
    with pytest.raises(ProfileError, match=r"must be a version|is no condition"):
        formats.import_(text.encode(), Context("own"), format_)
