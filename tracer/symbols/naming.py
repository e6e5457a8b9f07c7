"""How a Namer works: walk the stack, then look every frame up in its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.model import Frame
from tracer.symbols.abi import ABIS, Abi
from tracer.symbols.demangled import demangled
from tracer.symbols.records import STATUS_VALID, BuildIdFrame, RawStack
from tracer.symbols.space import AddressSpace
from tracer.symbols.unwind import MAX_FRAMES, StackCopy, Step, walk

if TYPE_CHECKING:
    from tracer.symbols.resolver import Resolver


def name_frames(raw: RawStack, resolver: Resolver) -> tuple[Frame, ...]:
    """``Namer.frames``, with the files that ``resolver`` keeps."""
    abi = ABIS.get(raw.abi)
    if abi is None:
        return ()
    space = AddressSpace(_absolute(raw), abi, resolver)
    memory = StackCopy(raw.stack_address, raw.stack, abi.word)
    steps, complete = walk(abi, raw.registers, memory, space)
    if not complete:
        steps += _kernels_steps(raw, abi, space, steps)
    return tuple(_frame(step, space) for step in steps[:MAX_FRAMES])


def _absolute(raw: RawStack) -> RawStack:
    """``raw`` with a full path of the program, or none if what is given can be no file's."""
    if raw.executable is None:
        return raw
    try:
        os.fsencode(raw.executable)
        path = None if "\0" in raw.executable else str(Path.cwd() / raw.executable)
    except (OSError, ValueError):  # the current folder is gone, or the text is no file name
        path = None
    return raw._replace(executable=path)


def _kernels_steps(raw: RawStack, abi: Abi, space: AddressSpace, steps: list[Step]) -> list[Step]:
    """What the kernel saw beyond the last of ``steps``, if it saw that one too."""
    seen = [_address(frame, space) for frame in raw.build_id_frames]
    if not steps:
        rest = seen
    elif steps[-1].address in seen:
        rest = seen[seen.index(steps[-1].address) + 1 :]
    else:
        return []
    found: list[Step] = []
    for address in rest:
        if address is None:
            break  # without an address the frame could not be told from another file's
        found.append(Step(address & abi.code_mask, after_call=bool(steps or found)))
    # TargetCode between two known places may be a JIT's. At the end, it was a register that holds
    # something else than a frame.
    while found and not space.is_code(found[-1].inside) and (steps or len(found) > 1):
        found.pop()
    return found


def _address(frame: BuildIdFrame, space: AddressSpace) -> int | None:
    if frame.status != STATUS_VALID or frame.build_id is None or frame.offset is None:
        return frame.ip
    return space.address_of(frame.build_id, frame.offset)


def _frame(step: Step, space: AddressSpace) -> Frame:
    place = space.place(step.inside)
    if place is None:
        return Frame(step.address, None, None, None, None, None)
    found, virtual = place.object, place.virtual_address
    if found is None or virtual is None:
        name = place.mapping.path or place.mapping.name
        return Frame(step.address, name, place.mapping.build_id, None, None, None)
    function = found.function(virtual)
    offset = virtual + step.address - step.inside
    return Frame(
        address=step.address,
        object=found.path,
        build_id=found.elf.build_id,
        offset=offset,
        function=demangled(function.name) if function else None,
        function_offset=offset - function.start if function else None,
    )
