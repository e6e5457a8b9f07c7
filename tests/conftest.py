"""Fixtures of all tests: sbtrace as a command, the test programs, and the kernel's marker."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import support

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    # Under `sudo make test` the tests are root's, like root's own; who asked is no input.
    for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SBTRACE_DB"):
        os.environ.pop(name, None)
    os.environ["NO_COLOR"] = "1"
    # No test depends on how busy the machine is.
    settings.register_profile("sbtrace", deadline=None)
    settings.load_profile("sbtrace")
    support.hear_signals()


@cache
def _kernel_missing() -> str | None:
    """Why the kernel's tests cannot run here; None if they can."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        from bcc import BPF  # the unit tests run where it is missing
    except ImportError:
        return "needs bcc, Debian's python3-bpfcc"
    if not BPF.support_raw_tracepoint():
        return "needs a kernel with BPF raw tracepoints"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and (reason := _kernel_missing()):
        support.skip(reason)


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own (mode 0700) is not."""
    folder = Path(tempfile.mkdtemp(prefix="sbtrace-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def programs(public_folder: Path) -> support.Programs:
    """The test programs: ``programs["storm"]`` is the path of one."""
    return support.build_programs(public_folder / "programs")


@pytest.fixture
def sbtrace(tmp_path: Path) -> support.Sbtrace:
    """`sbtrace` with a fresh database: ``sbtrace("runs")``, ``sbtrace.run("ls")``."""
    return support.Sbtrace(tmp_path)


@pytest.fixture
def reach() -> None:
    """For tests in which another user than root uses the checkout where it lies."""
    support.require_reach()


@pytest.fixture
def ordinary_sbtrace(public_folder: Path) -> Iterator[support.Sbtrace]:
    """The same as an ordinary user, uid 65534. Only for tests marked `kernel`."""
    with support.ordinary_user(_folder(public_folder)) as command:
        yield command


@pytest.fixture
def lonely_sbtrace(public_folder: Path) -> Iterator[support.Sbtrace]:
    """The same as a user of whom nothing else runs. Only for tests marked `kernel`."""
    with support.ordinary_user(_folder(public_folder), support.LONELY) as command:
        yield command


def _folder(within: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="user-", dir=within))
    folder.chmod(0o755)
    return folder
