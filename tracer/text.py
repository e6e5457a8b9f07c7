"""Make text that came from a target safe to show: escapes are shown, never obeyed."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, line and paragraph separators, the marks that reorder or hide
# text (bidirectional controls, zero-width characters, tags), and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= code <= 0xDCFF:  # PEP 383: a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: str) -> str:
    r"""Return ``text`` on one line, with everything that a terminal could obey escaped.

    Controls become ``\n``, ``\t``, ``\xNN`` or ``\uNNNN``; a byte that was not UTF-8 (PEP
    383) becomes ``\xNN``. A backslash stays as it is: the result is for eyes, not parsers.
    """
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Like ``printable``, but line feeds and tabs stay: for text that has lines of its own."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def cell_width(text: str) -> int:
    """Columns that printable ``text`` takes on a terminal; wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> tuple[str, str]:
    """Split printable ``text`` where its first part is at most ``width`` columns wide.

    The first part is never empty for a text that is not, so that a loop over it ends.
    """
    if text.isascii():
        return text[: max(width, 1)], text[max(width, 1) :]
    used = 0
    for index, char in enumerate(text):
        used += _char_width(char)
        if used > width and index > 0:
            return text[:index], text[index:]
    return text, ""
