"""Names of C++ and Rust as their source has them."""

from __future__ import annotations

from functools import lru_cache

_MANGLED = ("_Z", "_R", "__Z")
"""Itanium C++ (and Rust's older form of it), Rust v0."""
_LANGUAGES = ("rust", "itanium")
_MOST_NAMES = 4096


@lru_cache(_MOST_NAMES)
def demangled(name: str) -> str:
    """``std::vector<int>::push_back(int const&)`` for its mangled form; other names as they are.

    The name may be the target's work: the package is Python throughout, and bounds its depth
    and the length of what it gives. It is imported with the first such name, as it takes 40 ms.
    """
    if not name.startswith(_MANGLED):
        return name
    import demangle

    return demangle.demangle(name, language=_LANGUAGES)
