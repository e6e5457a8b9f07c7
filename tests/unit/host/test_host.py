"""The checks of the machine: what is missing is named, with its remedy, and nothing is guessed."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tracer.errors import KernelError, StoreError
from tracer.host import Check, HostReport, kernel, packages, probe, rights, software, storage
from tracer.report import as_json, doctor

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
    text = doctor.render(HostReport((OK, POOR, MISSING, UNTRIED)))
    assert "missing  c" in text
    assert "-> apt install c" in text
    assert "-> run it with sudo" in text
    assert text.endswith("sbtrace run gives no full figures here: c.\n")


def test_the_table_of_a_sound_machine_ends_well_and_fits_80_columns() -> None:
    text = doctor.render(probe(Path("/tmp/x.duckdb"), _writable))
    assert max(map(len, text.splitlines())) <= 80
    assert doctor.render(HostReport((OK,))).endswith("gives full figures here.\n")


def test_json_says_null_for_what_could_not_be_tried() -> None:
    found = json.loads(as_json.dumps(doctor.to_object(HostReport((UNTRIED,)))))
    assert found["full_figures"] is False
    assert found["checks"][0]["ok"] is None


def test_nobody_is_told_to_install_kernel_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
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


def test_an_ordinary_user_is_told_to_use_sudo_and_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    report = probe(Path("/tmp/x.duckdb"), _writable, lambda: pytest.fail("loaded"))
    found = {check.name: check for check in report.checks}
    assert found["user"].remedy == "run it with sudo"
    assert found["raw tracepoints"].ok is None
    assert found["BPF program"].ok is None
    assert not report.full_figures


def test_a_refused_bpf_call_says_who_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check = kernel._tried("task storage", refuse, "CONFIG_X")
    assert check.ok is False
    assert "lockdown" in (check.remedy or "")


def test_a_bpf_program_that_does_not_load_is_reported_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise KernelError("verifier: no")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    from tracer.host.probe import _loaded

    check = _loaded(fail, [OK])
    assert (check.ok, check.found) == (False, "verifier: no")
    assert _loaded(fail, [MISSING]).found == "not tried: c first"


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
