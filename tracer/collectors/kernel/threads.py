"""Threads of sbtrace's own that wait in the kernel beside the session."""

from __future__ import annotations

import _thread
import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def start(function: Callable[..., None], *arguments: object) -> None:
    """Run ``function`` in a thread of its own. Raises OSError where none can be had."""
    try:
        _thread.start_new_thread(function, arguments)
    except RuntimeError as error:
        raise OSError(
            errno.EAGAIN, "no thread can be started: raise the limits (ulimit -u, ulimit -v)"
        ) from error
