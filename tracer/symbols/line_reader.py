"""Reads line numbers from the ELF file on stdin: the process that ``lines`` starts.

Usage: python -I line_reader.py ADDRESS...  (virtual addresses, decimal)
Prints a JSON list with ``"file:line"`` or null for each. Ends with a traceback or a signal
where the file makes no sense or asks for too much: whoever started it takes that as "not known".
"""

from __future__ import annotations

import json
import posixpath
import resource
import sys
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo
    from elftools.dwarf.lineprogram import LineProgram, LineState

_CPU_SECONDS = 5
_MEMORY_BYTES = 2 << 30


def main() -> None:
    """Answer the addresses of the command line."""
    limit()
    elf = ELFFile(sys.stdin.buffer)
    # Links lead to other files, which nobody has checked.
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
    print(json.dumps([find_line(dwarf, int(address)) for address in sys.argv[1:]]))


def limit() -> None:
    """Bound the time and memory of this process, whatever the file says."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def find_line(dwarf: DWARFInfo, address: int) -> str | None:
    """``file:line`` of the instruction at ``address``; None if no line table holds it."""
    for unit in _units(dwarf, address):
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        row = _row(program, address)
        if row is not None:
            return f"{_file_name(unit, program, row.file)}:{row.line}"
    return None


def _units(dwarf: DWARFInfo, address: int) -> Iterator[CompileUnit]:
    """The compile units that may hold ``address``."""
    ranges = dwarf.get_aranges()
    if ranges is not None and ranges.entries:
        offset = ranges.cu_offset_at_addr(address)
        if offset is not None:
            yield dwarf.get_CU_at(offset)
            return
    yield from (unit for unit in dwarf.iter_CUs() if _may_hold(unit, address))


def _may_hold(unit: CompileUnit, address: int) -> bool:
    """False if the unit says that its code is elsewhere."""
    attributes = unit.get_top_DIE().attributes
    if "DW_AT_ranges" in attributes or "DW_AT_low_pc" not in attributes:
        return True  # in pieces: the line table will tell
    low, high = attributes["DW_AT_low_pc"].value, attributes.get("DW_AT_high_pc")
    if high is None:
        return True
    end = high.value if high.form == "DW_FORM_addr" else low + high.value
    return bool(low <= address < end)


def _row(program: LineProgram, address: int) -> LineState | None:
    """The row of the line table that covers ``address``; None if there is none."""
    before = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and before.address <= address < state.address and before.line:
            return before
        before = None if state.end_sequence else state
    return None


def _file_name(unit: CompileUnit, program: LineProgram, index: int) -> str:
    """The path of a file of a line table, joined as DWARF 5, section 6.2.4 says."""
    from_zero = program["version"] >= 5
    file = program["file_entry"][index if from_zero else index - 1]
    name, folder = _text(file.name), ""
    folders = program["include_directory"]
    if from_zero or file.dir_index:
        folder = _text(folders[file.dir_index if from_zero else file.dir_index - 1])
    base = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    return posixpath.normpath(posixpath.join(_text(base.value) if base else "", folder, name))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main()
