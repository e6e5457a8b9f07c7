"""What the runtimes that hand names to libseccomp make of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile.formats.policy import named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.profile.formats.policy import Call, Policy, Remarks
    from tracer.profile.records import Action

UNKNOWN_TO_2_5 = frozenset(
    (
        *("file_getattr", "file_setattr", "getxattrat", "listmount", "listns", "listxattrat"),
        *("lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mseal", "open_tree_attr"),
        *("removexattrat", "rseq_slice_yield", "setxattrat", "statmount", "uprobe", "uretprobe"),
    )
)
"""Calls that libseccomp 2.5.4 has no name for: who hands it names passes over them in silence."""


def with_names(policy: Policy, remarks: Remarks) -> tuple[Call, ...]:
    """The calls that have a name. What runtimes pass over is a loss where that opens something,
    else a note.
    """
    kept = [call for call in policy.calls if not call.name.startswith("syscall_0x")]
    numbers = {call.name for call in policy.calls} - {call.name for call in kept}
    if numbers:
        remarks.loss(f"{named(numbers)} without a name cannot be said: answered as by default")
    unknown = [call for call in kept if call.name in UNKNOWN_TO_2_5]
    open_ = {call.name for call in unknown if policy.default.permits and _refuses(call)}
    if open_:
        remarks.loss(
            f"{named(open_)} would be allowed where libseccomp is 2.5, which does not know "
            "the name; use a default_action that refuses"
        )
    closed = {call.name for call in unknown} - open_
    if closed:
        remarks.note(
            f"libseccomp 2.5 does not know {named(closed)}: there they are answered as by default"
        )
    return tuple(kept)


def _refuses(call: Call) -> bool:
    return any(not action.permits for action in actions(call))


def actions(call: Call) -> tuple[Action, ...]:
    """Every action that a call may get by its arguments."""
    return (*(clause.action for clause in call.clauses), call.otherwise)


def above_all(calls: Iterable[Call], abi: str) -> tuple[str, int] | None:
    """The call with the largest number; None if there is none on this ABI."""
    numbers = [(nr, call.name) for call in calls if (nr := syscalls.number(abi, call.name))]
    return (max(numbers)[1], max(numbers)[0]) if numbers else None


def beyond_filter(policy: Policy, remarks: Remarks) -> None:
    """Limits and capabilities of a profile, which a filter cannot say: losses."""
    if policy.limits is not None:
        given = [key for key, value in policy.limits._asdict().items() if value is not None]
        if given:
            names = [key.removesuffix("_bytes") for key in given]
            remarks.loss(f"[limits] cannot be said: {named(names, 9)}; set them beside it")
    if policy.capabilities is not None:
        remarks.loss("[privileges] capabilities cannot be said; set them beside it")
