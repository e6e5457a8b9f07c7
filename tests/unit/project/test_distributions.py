"""What `make distributions` does again, and what it reads of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench import distributions
from tests.bench.distributions import COUNTED, Release, tried

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setattr(distributions, "AT", tmp_path)
    return Release("some", "mirror")


def test_only_what_went_well_at_this_commit_is_not_done_again(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def outcome(_release: Release, step: str) -> dict[str, str]:
        done.append(step)
        return {"status": "1" if step == "unit" else "0", "said": step}

    monkeypatch.setattr(distributions, "outcome", outcome)
    steps = ["setup", "unit"]
    assert list(tried(release, steps, "one")) == [("setup", "setup"), ("unit", "unit")]
    assert list(tried(release, steps, "one")) == [("setup", "setup"), ("unit", "unit")]
    assert list(tried(release, steps, "two")) == [("setup", "setup"), ("unit", "unit")]
    assert done == ["setup", "unit", "unit", "setup", "unit"]


def test_the_last_line_of_pytest_is_what_a_step_of_tests_says() -> None:
    log = "x.py ..\n= 1 failed, 1490 passed, 3 skipped in 204.38s (0:03:24) =\nmake: *** [x]\n"
    assert COUNTED.findall(log) == ["1 failed, 1490 passed, 3 skipped"]
