"""Which arguments of which calls are paths: what the program reads of a blocked call.

By number, since a start looks no name up. A test holds this against the signatures that the
reports decode calls by.
"""

DIRECT_NUMBERS = 512
"""DIRECT_NRS of bpf/records.h: the tables' numbers, of the native ABI and of the 32-bit one."""

Numbers = dict[int, tuple[int, ...]]
"""1 + the place of the first path, and that of a second one four bits above -> numbers."""

# fmt: off
_X86_64: Numbers = {
    0x01: (2, 4, 6, 21, 59, 76, 80, 83, 84, 85, 87, 89, 90, 92, 94, 132, 133, 134, 137, 161, 163,
           166, 167, 168, 188, 189, 191, 192, 194, 195, 197, 198, 235),
    0x02: (179, 254, 257, 258, 259, 260, 261, 262, 263, 267, 268, 269, 280, 303, 322, 332, 428, 433,
           437, 439, 442, 452, 463, 464, 465, 466, 467, 468, 469),
    0x05: (301,), 0x21: (82, 86, 88, 155, 165), 0x31: (266,), 0x42: (264, 265, 316, 429),
}
_I386: Numbers = {
    0x01: (5, 8, 10, 11, 12, 14, 15, 16, 18, 22, 30, 33, 39, 40, 51, 52, 61, 84, 85, 86, 87, 92, 99,
           106, 107, 115, 182, 193, 195, 196, 198, 212, 226, 227, 229, 230, 232, 233, 235, 236, 268,
           271),
    0x02: (131, 292, 295, 296, 297, 298, 299, 300, 301, 305, 306, 307, 320, 341, 358, 383, 412, 428,
           433, 437, 439, 442, 452, 463, 464, 465, 466, 467, 468, 469),
    0x06: (339,), 0x21: (9, 21, 38, 83, 217), 0x31: (304,), 0x42: (302, 303, 353, 429),
}
_ARM64: Numbers = {
    0x01: (5, 6, 8, 9, 11, 12, 14, 15, 39, 43, 45, 49, 51, 89, 221, 224, 225),
    0x02: (27, 33, 34, 35, 48, 53, 54, 56, 60, 78, 79, 88, 264, 281, 291, 428, 433, 437, 439, 442,
           452, 463, 464, 465, 466, 467, 468, 469),
    0x05: (263,), 0x21: (40, 41), 0x31: (36,), 0x42: (37, 38, 276, 429),
}
_ARM: Numbers = {
    0x01: (5, 8, 10, 11, 12, 14, 15, 16, 33, 39, 40, 51, 52, 61, 85, 86, 87, 92, 99, 106, 107, 115,
           182, 193, 195, 196, 198, 212, 226, 227, 229, 230, 232, 233, 235, 236, 266, 269),
    0x02: (131, 317, 322, 323, 324, 325, 326, 327, 328, 332, 333, 334, 348, 370, 387, 397, 412, 428,
           433, 437, 439, 442, 452, 463, 464, 465, 466, 467, 468, 469),
    0x06: (368,), 0x21: (9, 21, 38, 83, 218), 0x31: (331,), 0x42: (329, 330, 382, 429),
}
# fmt: on
TABLES = {"x86_64": {"x86_64": _X86_64, "i386": _I386}, "aarch64": {"arm64": _ARM64, "arm": _ARM}}
"""By machine, then by ABI: the native one first."""


def path_table(machine: str) -> bytes:
    """Return struct path_table: a byte for each number of either ABI."""
    table = bytearray(2 * DIRECT_NUMBERS)
    for half, numbers in enumerate(TABLES[machine].values()):
        for places, found in numbers.items():
            for number in found:
                table[half * DIRECT_NUMBERS + number] = places
    return bytes(table)
