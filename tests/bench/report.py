"""The figures as text of 80 columns, as JSON, and within the markers of a document."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from tests.bench import bars, call_cost, growth, missing, peers, start, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.bench.results import Figure, Results

BEGIN, END = "<!-- begin of the figures: make bench writes them -->", "<!-- end of the figures -->"
MILLISECOND, MEBIBYTE = 1_000_000, 2**20
NONE = "-"
TITLES = {tool.key: tool.title for tool in peers.TOOLS}


def text(results: Results, machine: Mapping[str, str], missing_peers: Mapping[str, str]) -> str:
    """Return all of it, for people."""
    parts = [
        "\n".join(_wrapped(f"{name:<10} ", value) for name, value in machine.items()),
        *(_wrapped("not measured: ", f"{title}: {why}") for title, why in missing_peers.items()),
        _calls(results),
        _programs(results),
        _starts(results),
        _growth(results),
        _missing(results),
        _time(results),
        _bars(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(results: Results, machine: Mapping[str, str], missing_peers: Mapping[str, str]) -> str:
    """Return all of it, for programs: times in ns, memory in bytes, and every round."""
    whole = {
        "machine": dict(machine),
        "missing_peers": dict(missing_peers),
        "figures": results.as_json(),
        "bars": [
            {"what": bar.what, "limit": bar.limit, "value": bar.value, "verdict": bar.verdict}
            for bar in bars.bars(results)
        ],
    }
    return json.dumps(whole, indent=1) + "\n"


def write_into(document: Path, figures: str) -> None:
    """Replace what stands between the markers of ``document``. Raises ValueError without them."""
    head, begin, rest = document.read_text().partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document}: no line {BEGIN!r} followed by {END!r}: add them")
    document.write_text(f"{head}{BEGIN}\n```\n{figures}```\n{END}{tail}")


def _wrapped(name: str, value: str) -> str:
    """Return lines of 80 columns, the further ones below the first one's value."""
    indent = " " * len(name)
    return textwrap.fill(value, 80, initial_indent=name, subsequent_indent=indent)


def _calls(results: Results) -> str:
    part, traced = call_cost.PART, call_cost.TRACED
    floor = results.get(part, traced, peers.FLOOR.key)
    rows = []
    for key in results.tools(part):
        own, other = (results.get(part, what, key) for what in (traced, call_cost.BESIDE))
        over = own.over(floor) if own and floor else None
        rows.append([TITLES[key], _mid(own), _spread(own), _mid(over, 2), _mid(other)])
    return table(
        "ns a call (getppid)", ["observed by", "ns", "half within", "x floor", "bystander"], rows
    )


def _programs(results: Results) -> str:
    part = workloads.PART
    tools = [key for key in results.tools(part) if key != peers.NATIVE.key]
    rows = []
    for name in results.subjects(part):
        native = results.get(part, name, peers.NATIVE.key)
        ratios = (workloads.over_native(results, name, key) for key in tools)
        rows.append([name, _mid(native, 0, MILLISECOND), *(_mid(ratio, 2) for ratio in ratios)])
    title = "Whole programs: ms alone, and under each tool how many times that"
    return table(title, ["program", "ms", *tools], rows)


def _starts(results: Results) -> str:
    rows = []
    for what in (start.WARM, start.FIRST, start.COMPILED):
        for key in results.tools(start.PART):
            wall = results.get(start.PART, what, key)
            memory = results.get(start.MEMORY, what, key)
            if wall and memory:
                name = TITLES[key] + (f", {what}" if key == peers.SBTRACE.key else "")
                spread = _spread(wall, MILLISECOND)
                rows.append([name, _mid(wall, 1, MILLISECOND), spread, _mid(memory, 1, MEBIBYTE)])
    return table("Start: /bin/true", ["observed by", "ms", "half within", "peak MiB"], rows)


def _growth(results: Results) -> str:
    rows = []
    for what in results.subjects(growth.PART):
        native, ours = (results.get(growth.PART, what, key) for key in ("native", "sbtrace"))
        memory = results.get(growth.MEMORY, what, "sbtrace")
        walls = (_mid(figure, 0, MILLISECOND) for figure in (native, ours))
        extra = _mid(ours.minus(native), 0, MILLISECOND) if ours and native else NONE
        rows.append([what, *walls, extra, _mid(memory, 1, MEBIBYTE)])
    header = ["program", "native ms", "sbtrace ms", "more ms", "peak MiB"]
    return table("As it grows (start and end of sbtrace included)", header, rows)


def _missing(results: Results) -> str:
    rows = []
    for what in results.subjects(missing.PART):
        for key in results.tools(missing.PART):
            if figure := results.get(missing.PART, what, key):
                worst = max(figure.values, key=abs)
                rows.append([TITLES[key], what, f"{worst:,.0f}"])
    return table("Calls missing, 8 threads, the worst round", ["tool", "known", "missing"], rows)


def _time(results: Results) -> str:
    rows = [
        [what, _mid(results.get(growth.TIME, what, "sbtrace"), 2)]
        for what in results.subjects(growth.TIME)
    ]
    return table("As time goes by, sbtrace run", ["what", "value"], rows)


def _bars(results: Results) -> str:
    rows = [
        [bar.what, f"{bar.limit:g}", NONE if bar.value is None else f"{bar.value:.3g}", bar.verdict]
        for bar in bars.bars(results)
    ]
    return table("The bars for sbtrace", ["what", "at most", "is", "verdict"], rows)


def _mid(figure: Figure | None, digits: int = 1, unit: float = 1) -> str:
    return NONE if figure is None else f"{figure.median / unit:,.{digits}f}"


def _spread(figure: Figure | None, unit: float = 1) -> str:
    if figure is None:
        return NONE
    low, high = figure.quartiles
    return f"{low / unit:,.1f}..{high / unit:,.1f}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, its first column to the left and the others to the right; "" if empty."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return "\n".join((title, *_lines(widths, [header, ["-" * w for w in widths], *rows])))


def _lines(widths: Sequence[int], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        others = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join((f"  {row[0]:<{widths[0]}}", *others)).rstrip()
