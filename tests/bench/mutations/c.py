"""What is changed of C: comparisons, conditions, arithmetic, constants, statements; by text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.bench.mutations.mutant import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_SWAPS = {
    "==": "!=",
    "!=": "==",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "&&": "||",
    "||": "&&",
    "+": "-",
    "-": "+",
    "&": "|",
    "|": "&",
    "<<": ">>",
    ">>": "<<",
    "+=": "-=",
    "|=": "&=",
}
_OPERATOR = re.compile(rb"(?<= )(?:==|!=|<=|>=|<<|>>|&&|\|\||\+=|\|=|[<>+\-&|])(?= )")
_NUMBER = re.compile(rb"(?<![\w.])(?:0[xX][0-9a-fA-F]+|\d+)(?![\w.])")
_STATEMENT = re.compile(
    rb"(?m)^ +(?!return\b|break\b|continue\b|goto\b|else\b|for\b|case\b)"
    rb"(?:\*?[\w>.\[\]()-]+ [+\-*/|&^]?= |[\w.>-]+\(|[\w.>\[\]()-]+(?:\+\+|--))"
    rb"[^;{}]*;"
)
_NOT = re.compile(rb"!(?=[\w(])")
_STEP = re.compile(rb"(?<=\w)\+\+(?=;)|(?<=\])\+\+(?=;)")
_HIDDEN = re.compile(
    rb"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"|^#(?!define)(?:\\\n|[^\n])*|"
    rb"^(?:char|static const char) [^\n]*|"
    rb"\bBOUNDED\([^;]*\);|^#define (?:UN)?LIKELY[^\n]*",  # these tell the verifier and clang alone
    re.DOTALL | re.MULTILINE,
)
_DECLARED = re.compile(rb"(?ms)^(?:struct|enum)\b[^()=;]*?\{.*?^\}[^;\n]*;|^BPF_\w+\([^;]*\);")


def edits(source: bytes) -> Iterator[Edit]:
    """All that is changed of one file; comments, strings, layouts and maps are left alone."""
    text = _DECLARED.sub(_blank, _HIDDEN.sub(_blank, source))
    for found in _OPERATOR.finditer(text):
        yield Edit(*found.span(), _SWAPS[found[0].decode()].encode())
    for found in _NUMBER.finditer(text):
        yield Edit(*found.span(), str(int(found[0], 0) + 1).encode())
    for found in _NOT.finditer(text):
        yield Edit(*found.span(), b"")
    for found in _STEP.finditer(text):
        yield Edit(*found.span(), b"--")
    for found in _STATEMENT.finditer(text):
        start = found.end() - len(found[0].lstrip())
        yield Edit(start, found.end(), b";")


def _blank(found: re.Match[bytes]) -> bytes:
    """Spaces in its place, so that everything keeps its offset."""
    return re.sub(rb"[^\n]", b" ", found[0])
