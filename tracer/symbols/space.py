"""The executable part of a target's address space: from an address to a file and a place in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tracer.symbols.elf import PT_LOAD
from tracer.symbols.objects import ElfObject, FileIdentity, same_build_id
from tracer.symbols.records import STATUS_VALID, Mapping, RawStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.symbols.abi import Abi
    from tracer.symbols.resolver import Resolver
    from tracer.symbols.rules import Rules


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address lies."""

    mapping: Mapping
    object: ElfObject | None
    """None: the mapping is known, its file was not found."""
    virtual_address: int | None
    """The address within the file; None if ``object`` is."""


class AddressSpace:
    """What one RawStack tells of the target's code; implements ``unwind.TargetCode``."""

    def __init__(self, raw: RawStack, abi: Abi, resolver: Resolver) -> None:
        self._raw = raw
        self._abi = abi
        self._resolver = resolver
        self._places: dict[int, Place | None] = {}
        self._mappings = [*self._of_program(), *raw.mappings]
        if len(raw.registers) > abi.pc and raw.build_id_frames:
            self._use_first_build_id(raw.registers[abi.pc])

    def place(self, address: int) -> Place | None:
        """Where a run-time address lies; None if no executable mapping is known there."""
        if address not in self._places:
            mapping = self._mapping(address)
            self._places[address] = self._locate(mapping, address) if mapping else None
        return self._places[address]

    def rules(self, address: int) -> Rules | None:
        """The unwind rules at a run-time address; None if there are none."""
        place = self.place(address)
        if place is None or place.object is None or place.virtual_address is None:
            return None
        if place.object.elf.machine != self._abi.machine:
            return None
        return place.object.rules(place.virtual_address)

    def is_code(self, address: int) -> bool:
        """True if an executable mapping is known to hold the run-time address."""
        return self._mapping(address) is not None

    def address_of(self, build_id: bytes, file_offset: int) -> int | None:
        """Run-time address of a byte of a mapped file; None if no such mapping is known."""
        for mapping in reversed(self._mappings):
            address = file_offset - mapping.file_offset + mapping.start
            if mapping.start <= address < mapping.end:
                found = self._resolver.mapped(mapping, self._raw.executable)
                own = found.elf.build_id if found else mapping.build_id
                if same_build_id(own, build_id.hex()):
                    return address
        return None

    def _mapping(self, address: int) -> Mapping | None:
        for mapping in reversed(self._mappings):
            if mapping.start <= address < mapping.end:
                return mapping
        return None

    def _locate(self, mapping: Mapping, address: int) -> Place:
        found = self._resolver.mapped(mapping, self._raw.executable)
        offset = address - mapping.start + mapping.file_offset
        virtual = found.elf.address_of_offset(offset) if found else None
        return Place(mapping, found if virtual is not None else None, virtual)

    def _of_program(self) -> Iterator[Mapping]:
        """The program's own code, where the caller saw no mapping of it (execve made it)."""
        start, end, path = self._raw.code_start, self._raw.code_end, self._raw.executable
        if not start or not end or any(m.start <= start < m.end for m in self._raw.mappings):
            return
        name = PurePosixPath(path).name if path else None
        wanted = FileIdentity(
            inode=self._raw.executable_inode,
            device=self._raw.executable_device,
            program_text=(start, end),
        )
        found = self._resolver.program(path, wanted) if path else None
        if found is None or found.elf.text is None:
            # What is there no longer is named all the same, by a path that the kernel gave.
            yield Mapping(
                start,
                end,
                0,
                path=path if wanted.known else None,
                name=name,
                inode=wanted.inode,
                device=wanted.device,
            )
            return
        yield from _segments(found, bias=start - found.elf.text[0])

    def _use_first_build_id(self, pc: int) -> None:
        """Let the kernel's build id of the innermost frame tell which file holds ``pc``."""
        first = self._raw.build_id_frames[0]
        if first.status != STATUS_VALID or first.build_id is None or first.offset is None:
            return
        build_id = first.build_id.hex()
        known = self._mapping(pc)
        if known is None:
            found = self._resolver.with_build_id(build_id, self._raw.executable)
            virtual = found.elf.address_of_offset(first.offset) if found else None
            if found is not None and virtual is not None:
                self._mappings += _segments(found, bias=pc - virtual)
        elif known.build_id is None and pc - known.start + known.file_offset == first.offset:
            self._mappings.append(known._replace(build_id=build_id))


def _segments(found: ElfObject, bias: int) -> list[Mapping]:
    """The mappings that an ELF file's executable segments make at a load address."""
    status = found.status
    return [
        Mapping(
            start=segment.address + bias,
            end=segment.address + bias + segment.file_size,
            file_offset=segment.offset,
            path=found.path,
            inode=status.st_ino if status else None,
            device=status.st_dev if status else None,
            build_id=found.elf.build_id,
        )
        for segment in found.elf.segments
        if segment.kind == PT_LOAD and segment.executable
    ]
