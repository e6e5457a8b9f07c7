"""The checks of the machine: what is missing is named, with its remedy, and nothing is guessed."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracer import profile as profiles
from tracer import syscalls
from tracer.errors import KernelError, StoreError
from tracer.host import (
    Check,
    HostReport,
    kernel,
    packages,
    places,
    probe,
    rights,
    software,
    storage,
)
from tracer.report import as_json
from tracer.report.doctor import DoctorReport
from tracer.session.trial import count_on_trial

OK = Check("a", True, "required", "there")
POOR = Check("b", False, "wanted", "little", "get more")
MISSING = Check("c", False, "required", "not installed", "apt install c")
UNTRIED = Check("d", None, "required", "not tried: it takes root", "run it with sudo")


def _writable(_: Path) -> None:
    """A database that can be written."""


@pytest.mark.parametrize(
    ("checks", "full"),
    [((OK,), True), ((OK, POOR), True), ((OK, MISSING), False), ((OK, UNTRIED), False)],
)
def test_figures_are_full_only_if_all_that_is_required_was_tried_and_works(
    checks: tuple[Check, ...], full: bool
) -> None:
    assert HostReport(checks).full_figures is full


def test_the_table_names_what_is_missing_and_what_to_do() -> None:
    text = DoctorReport(HostReport((OK, POOR, MISSING, UNTRIED))).text()
    assert "missing  c" in text
    assert "-> apt install c" in text
    assert "-> run it with sudo" in text
    assert text.endswith("sbtrace run gives no full figures here: c.\n")


def test_the_table_of_a_sound_machine_ends_well_and_fits_80_columns() -> None:
    text = DoctorReport(probe(Path("/tmp/x.duckdb"), _writable)).text()
    assert max(map(len, text.splitlines())) <= 80
    assert DoctorReport(HostReport((OK,))).text().endswith("gives full figures here.\n")


def test_json_says_null_for_what_could_not_be_tried() -> None:
    found = json.loads(as_json.dumps(DoctorReport(HostReport((UNTRIED,))).data()))
    assert found["full_figures"] is False
    assert found["checks"][0]["ok"] is None


def test_nobody_is_told_to_install_kernel_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "is_file", lambda _: False)
    (headers,) = [check for check in software.checks() if check.name == "C headers"]
    assert headers.ok is False
    assert headers.remedy
    assert "linux-headers" not in headers.remedy
    assert "kernel-devel" not in headers.remedy


def test_bcc_that_is_missing_comes_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(software, "_SYSTEM_BCC", "/nowhere")
    monkeypatch.setattr(packages, "_family", lambda: {"fedora"})
    check = software._bcc()
    assert (check.ok, check.remedy) == (False, "dnf install python3-bcc")


def test_an_environment_that_hides_the_systems_bcc_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(software, "_SYSTEM_BCC", str(tmp_path))
    check = software._bcc()
    assert check.ok is False
    assert "--system-site-packages" in (check.remedy or "")


def test_pypis_bcc_is_told_from_the_real_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin = tmp_path / "__init__.py"
    spec = SimpleNamespace(origin=str(origin), submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    check = software._bcc()
    assert check.ok is False
    assert "unrelated" in check.found
    assert "pip uninstall bcc" in (check.remedy or "")


@pytest.mark.parametrize(
    ("family", "command"),
    [
        ({"ubuntu", "debian"}, "apt install one"),
        ({"rhel", "fedora"}, "dnf install two"),
        ({"arch"}, "install one (Debian, Ubuntu) or two (Fedora)"),
    ],
)
def test_a_remedy_names_the_package_of_the_system_at_hand(
    monkeypatch: pytest.MonkeyPatch, family: set[str], command: str
) -> None:
    monkeypatch.setattr(packages, "_family", lambda: family)
    assert packages.install("one", "two") == command


@pytest.mark.parametrize(
    ("mask", "ok"),
    [(1 << 21, True), (1 << 38 | 1 << 39, True), (1 << 39, False), (0, False)],
)
def test_bpf_takes_cap_sys_admin_or_both_of_its_own(
    monkeypatch: pytest.MonkeyPatch, mask: int, ok: bool
) -> None:
    monkeypatch.setattr(rights, "_effective", lambda: mask)
    check = rights._capabilities()
    assert check.ok is ok
    assert ok or check.remedy


def test_an_ordinary_user_is_told_to_use_sudo_and_bpf_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    report = probe(Path("/tmp/x.duckdb"), _writable, count_on_trial)
    found = {check.name: check for check in report.checks}
    assert found["user"].remedy == "run it with sudo"
    assert found["raw tracepoints"].ok is None
    assert (found["counting"].ok, found["counting"].found) == (
        False,
        "eBPF needs root: run it with sudo, or say --trace none",
    )
    assert not report.full_figures


@pytest.mark.parametrize("closed", ["/sys/kernel", "/proc/self/mountinfo", "/usr", "/tmp"])
def test_a_place_that_may_not_be_looked_at_is_no_error(
    monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """As tracefs, whose folder has the mode 0700."""
    real = Path.stat

    def refusing(path: Path, **how: Any) -> os.stat_result:
        if str(path).startswith(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **how)

    monkeypatch.setattr(Path, "stat", refusing)
    assert probe(Path("/tmp/x/y.duckdb"), _writable).checks


def test_what_is_mounted_is_told_without_looking_into_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"31 2 0:12 / /t\\040t rw shared:9 master:1 - tracefs nodev rw\n")
    assert places.is_mounted("tracefs", mounts) is True
    assert places.is_mounted("cgroup2", mounts) is False
    assert places.is_mounted("tracefs", tmp_path / "missing") is None


@pytest.mark.parametrize("machine", ["riscv64", "armv7l", "ppc64le"])
def test_another_machine_is_named_with_those_that_have_full_figures(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    names = os.uname()
    other = os.uname_result((*names[:4], machine))
    monkeypatch.setattr(os, "uname", lambda: other)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    syscalls.native_abi.cache_clear()
    try:
        report = probe(Path("/tmp/x.duckdb"), _writable, count_on_trial)
        assert not profiles.load("LEARNING").restricts
    finally:
        syscalls.native_abi.cache_clear()
    found = {check.name: check for check in report.checks}
    assert "x86_64 and aarch64" in found["machine"].found
    assert found["ring buffer"].ok is None
    assert found["counting"].found.startswith("eBPF counting is written for x86_64 and aarch64")
    assert machine in found["counting"].found
    assert not report.full_figures


def test_a_refused_bpf_call_says_who_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check = kernel._tried("task storage", refuse, "CONFIG_X")
    assert check.ok is False
    assert "lockdown" in (check.remedy or "")


def test_the_trial_alone_decides_and_is_reported_in_its_own_words() -> None:
    def fail() -> str:
        raise KernelError("verifier: no")

    failed = probe(Path("/tmp/x.duckdb"), _writable, fail)
    (check,) = [check for check in failed.checks if check.name == "counting"]
    assert (check.ok, check.found) == (False, "verifier: no")
    assert not failed.full_figures


@pytest.mark.parametrize(
    ("lacks", "shown"),
    [
        ((), [(True, "a target is kept to its own (tried)", None)]),
        (
            ("a: b, since c: do d", "e: do f"),
            [(False, "a: b, since c", "do d"), (False, "e", "do f")],
        ),
    ],
)
def test_what_a_target_is_not_kept_from_is_told_with_its_remedy_and_takes_no_figures(
    lacks: tuple[str, ...], shown: list[tuple[bool, str, str | None]]
) -> None:
    report = probe(Path("/tmp/x.duckdb"), _writable, lambda: "counted", lambda _: lacks)
    found = [check for check in report.checks if check.name == "protection"]
    assert [(check.ok, check.found, check.remedy) for check in found] == shown
    assert report.full_figures


def test_what_is_missing_and_was_not_needed_leaves_the_figures_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(kernel, "_BTF", Path("/nowhere"))
    report = probe(Path("/tmp/x.duckdb"), _writable, lambda: "counted 9 calls")
    found = {check.name: check.ok for check in report.checks}
    assert (found["bcc"], found["BTF"], report.full_figures) == (False, False, True)


def test_a_database_that_cannot_be_written_is_required_and_missing(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise StoreError(f"{path}: is a text file")

    database, disk = storage.checks(tmp_path / "a" / "b.duckdb", refuse)
    assert (database.ok, database.level) == (False, "required")
    assert "is a text file" in database.found
    assert disk.ok is not None


@pytest.mark.kernel
def test_bpf_is_really_tried_on_this_kernel() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    tried = [check for check in kernel.checks() if "tried" in check.found]
    assert [check.name for check in tried if check.ok] == [
        "raw tracepoints",
        "task storage",
        "ring buffer",
    ]
