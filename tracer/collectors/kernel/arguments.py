"""Which arguments of which calls are noted: those by which a call of many uses is told apart.

By number, since a start looks no name up. A test holds this against the names of
``tracer.profile.deciding``.
"""

from __future__ import annotations

import struct

from tracer.collectors.kernel import wire
from tracer.collectors.kernel.paths import DIRECT_NUMBERS

Numbers = dict[tuple[int, ...], tuple[int, ...]]
"""Arguments -> the calls of which they are noted."""
_X86_64: Numbers = {
    (0,): (56, 135, 157, 250, 272, 321),
    (1,): (16, 62, 72),
    (2,): (10,),
    (2, 3): (9,),
    (1, 2): (54,),
    (0, 1, 2): (41, 53),
}
_I386: Numbers = {
    (0,): (120, 136, 172, 288, 310, 357),
    (1,): (37, 54, 55, 221),
    (2,): (125,),
    (2, 3): (192,),
    (1, 2): (366,),
    (0, 1, 2): (359, 360),
}
_ARM64: Numbers = {
    (0,): (92, 97, 167, 219, 220, 280),
    (1,): (25, 29, 129),
    (2,): (226,),
    (2, 3): (222,),
    (1, 2): (208,),
    (0, 1, 2): (198, 199),
}
_ARM: Numbers = {
    (0,): (120, 136, 172, 311, 337, 386),
    (1,): (37, 54, 55, 221),
    (2,): (125,),
    (2, 3): (192,),
    (1, 2): (294,),
    (0, 1, 2): (281, 288),
}
TABLES = {"x86_64": {"x86_64": _X86_64, "i386": _I386}, "aarch64": {"arm64": _ARM64, "arm": _ARM}}
"""By machine, then by ABI: the native one first."""


def argument_table(machine: str) -> bytes:
    """Return struct argument_table: two bytes for each number of either ABI."""
    table = [0] * (2 * DIRECT_NUMBERS)
    for half, numbers in enumerate(TABLES[machine].values()):
        for places, found in numbers.items():
            for number in found:
                table[half * DIRECT_NUMBERS + number] = wire.spec(places)
    return struct.pack(f"={len(table)}H", *table)
