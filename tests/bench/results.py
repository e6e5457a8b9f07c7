"""What the parts of the bench hand over: figures by part, subject and tool."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

Key = tuple[str, str, str]
"""(part, what was measured within it, key of the tool)"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured once a round. In tables: the median, and the quartiles."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The middle half of the rounds lies between these two."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _middle, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def over(self, other: Figure) -> Figure:
        """Divide round by round: what slowed a whole round down cancels out.

        A slow tool takes part in the first rounds only; the others are left out.
        """
        return Figure(tuple(a / b for a, b in zip(self.values, other.values, strict=False)))

    def minus(self, other: Figure) -> Figure:
        """Subtract round by round."""
        return Figure(tuple(a - b for a, b in zip(self.values, other.values, strict=False)))


@dataclass(slots=True)
class Results:
    """Everything measured so far."""

    _values: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, part: str, what: str, tool: str, value: float) -> None:
        """Note the value of one round."""
        self._values.setdefault((part, what, tool), []).append(value)

    def get(self, part: str, what: str, tool: str) -> Figure | None:
        """Return a figure; None if it was not measured."""
        values = self._values.get((part, what, tool))
        return Figure(tuple(values)) if values else None

    def subjects(self, part: str) -> list[str]:
        """Return what was measured in a part, in the order of the measuring."""
        return list(dict.fromkeys(what for at, what, _tool in self._values if at == part))

    def tools(self, part: str) -> list[str]:
        """Return the tools that took part, in the order of their first figure."""
        return list(dict.fromkeys(tool for at, _what, tool in self._values if at == part))

    def as_json(self) -> list[dict[str, object]]:
        """Return one object a figure: part, what, tool, median, quartiles, values."""
        return [
            {
                "part": part,
                "what": what,
                "tool": tool,
                "median": Figure(tuple(values)).median,
                "quartiles": Figure(tuple(values)).quartiles,
                "values": values,
            }
            for (part, what, tool), values in self._values.items()
        ]
