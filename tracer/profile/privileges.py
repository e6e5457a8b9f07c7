"""The ``[privileges]`` table: what a target may keep of its user's capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tracer import capabilities
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from tracer.profile.where import Where

Capabilities = int | Literal["keep"]
"""A set of capabilities as a mask; ``keep``: whatever the target's user has."""
_KEY = "capabilities"
_FORM = 'capabilities is "keep", or a list such as ["CHOWN", "NET_BIND_SERVICE"]'


def parse_privileges(table: object, where: Where) -> Capabilities | None:
    """The capabilities that a profile grants; None if it does not say.

    Raises ProfileError for unknown keys and names.
    """
    if not isinstance(table, dict):
        raise where.error(where.lines.of("privileges"), "privileges must be a table: [privileges]")
    for key in table:
        if key != _KEY:
            hint = did_you_mean(key, [_KEY]) or f"; known: {_KEY}"
            raise where.error(where.lines.of("privileges", key), f'unknown key "{key}"{hint}')
    return _capabilities(table[_KEY], where) if _KEY in table else None


def _capabilities(value: object, where: Where) -> Capabilities:
    at = ("privileges", _KEY)
    if value == "keep":
        return "keep"
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise where.error(where.lines.of(*at), _FORM)
    mask = 0
    for index, word in enumerate(value):
        try:
            mask |= capabilities.mask_of((word,))
        except KeyError:
            hint = capabilities.did_you_mean(word)
            line = where.lines.of_entry(*at, index=index)
            raise where.error(line, f'unknown capability "{word}"{hint}') from None
    return mask
