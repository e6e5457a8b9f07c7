"""Symbols: naming the frames of a process that may be dead.

A collector hands over a ``RawStack`` (registers, a copy of the stack, what is known of the
mappings); a ``Namer`` unwinds it offline by the .eh_frame of the files and names its frames.
Pure user space: needs neither root nor bcc. Everything that it reads may be the target's
work, so every count and link is checked, and the work per Namer is bounded.
"""

from tracer.symbols.abi import ABIS, Abi, thread_registers
from tracer.symbols.namer import Namer
from tracer.symbols.records import (
    BuildIdFrame,
    Mapping,
    RawStack,
    build_id_frames,
    device_number,
)

__all__ = [
    "ABIS",
    "Abi",
    "BuildIdFrame",
    "Mapping",
    "Namer",
    "RawStack",
    "build_id_frames",
    "device_number",
    "thread_registers",
]
