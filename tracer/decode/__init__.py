"""A blocked call as strace would write it, from its six registers alone.

The memory of the process is gone: pointers stay numbers, and names of files unknown.
"""

from __future__ import annotations

from tracer.decode.call import call_text, value_texts

__all__ = ["call_text", "value_texts"]
