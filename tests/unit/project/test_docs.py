"""The documents name tests that exist."""

from __future__ import annotations

import re
from typing import get_args

from tests.support import ROOT
from tracer import model
from tracer.collectors.kernel import collector
from tracer.profile.records import ACTION_KINDS

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
RECORDS = (
    *(model.Run, model.Process, model.SyscallStat, model.SyscallError, model.BlockedCall),
    *(model.Argument, model.Sample, model.Loss, model.Frame),
)
EVERYDAY = {
    *("arg", "argv", "build", "char", "code", "cwd", "digest", "dropped", "executable", "host"),
    *("instruction", "object", "parent", "path", "percent", "pointer", "ppid", "total"),
    *("truncated", "version"),
}
"""Words of columns that every reader of the kernel's own documents knows."""


def test_every_test_that_the_security_document_names_exists() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in sources} == set()


def test_every_outcome_action_and_collector_is_in_the_glossary() -> None:
    words = {*get_args(model.Outcome), *ACTION_KINDS, collector.NAME, "procfs"}
    assert {word for word in words if f"`{word}`" not in GLOSSARY} == set()


def test_every_word_of_a_column_is_in_the_glossary_or_an_everyday_one() -> None:
    names = {name for record in RECORDS for name in record._fields}
    words = {word.removesuffix("s") for name in names for word in name.split("_")}
    assert {word for word in words if word not in GLOSSARY.lower()} - EVERYDAY == set()
