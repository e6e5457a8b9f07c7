"""docs/architecture.md draws the house as it is: every package, every arrow, none that is not."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "tracer"
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def rooms() -> set[str]:
    """The packages and modules right below tracer/."""
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return packages | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def imported(source: Path) -> Iterator[str]:
    """The rooms that a file imports from, also within a function and for types alone."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "tracer":
                yield rest.partition(".")[0]


def real() -> dict[str, set[str]]:
    """Room -> the rooms that it imports from."""
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in found:
            found[room] |= (set(imported(path)) & found.keys()) - {room}
    return found


def drawn() -> list[dict[str, set[str]]]:
    """The floors of the picture, the top one first: room -> the rooms that its arrows lead to."""
    picture = re.search(r"^## The house$.*?^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert picture is not None
    floors: list[dict[str, set[str]]] = []
    for line in picture[1].splitlines():
        floor, name, targets = re.fullmatch(r"(\d+| ) +(\w+) *(?:-> (.*))?", line).groups()  # type: ignore[union-attr]
        if floor != " ":
            floors.append({})
        floors[-1][name] = set((targets or "").split())
    return floors


def test_every_arrow_is_an_import_and_every_import_an_arrow() -> None:
    assert {name: to for floor in drawn() for name, to in floor.items()} == real()


def test_the_floors_are_those_that_the_import_linter_keeps() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    kept = [set(layer.replace("tracer.", "").split(" | ")) for layer in layers]
    assert [set(floor) for floor in drawn()] == kept


def test_every_package_is_named_with_what_it_holds() -> None:
    packages = {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE}
    names = {f"`{path.relative_to(ROOT)}`" for path in packages}
    assert {name for name in names if f"| {name} |" not in PAGE} == set()


def test_every_file_and_folder_that_is_named_is_there() -> None:
    """A step that leads to a file which has moved is worse than none."""
    named = re.findall(r"`((?:tracer|bpf|tests|docs|queries|profiles)/[\w./-]*)`", PAGE)
    assert named
    new = re.compile(r"/NAME\.\w+$")  # what a step has one make
    assert [n for n in named if not new.search(n) and not (ROOT / n).exists()] == []
