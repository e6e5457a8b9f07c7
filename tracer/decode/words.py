"""From words to numbers: ``AF_INET``, ``PROT_READ|PROT_EXEC``, ``0x5412``."""

from __future__ import annotations

from tracer.decode import constants
from tracer.words import lookup

_OURS = {"NULL": 0, "AT_FDCWD": constants.AT_FDCWD}
_WORD = 0xFFFF_FFFF_FFFF_FFFF


def number(text: str) -> int | None:
    """The unsigned register that a text stands for; None where a word in it is not known.

    Words and numbers may be joined by ``|``. A negative number fills the whole register.
    """
    value = 0
    for part in text.split("|"):
        found = _one(part.strip())
        if found is None:
            return None
        value |= found
    return value & _WORD


def _one(word: str) -> int | None:
    try:
        return int(word, 0)
    except ValueError:
        return _OURS.get(word, lookup.number(word))
