"""Where a change takes effect: the lines that a test runs if it is to notice."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.mutations.mutant import Mutant

Place = tuple[str, int]
"""A source, from the root of the checkout, and a line of it."""
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def of(mutant: Mutant) -> set[Place]:
    """Of a statement its own lines; of what is run by import alone, those that use it."""
    scope, statement = _innermost(mutant)
    if statement is None:
        return set()
    if not isinstance(scope, _FUNCTIONS):
        return _uses(mutant.path, scope, statement)
    return {(mutant.path, line) for line in _own_lines(statement)}


def _innermost(mutant: Mutant) -> tuple[ast.AST, ast.stmt | None]:
    """The statement that is changed, and the function, class or module whose body it is in."""
    node: ast.AST = _tree(mutant.path)
    scope, statement = node, None
    while True:
        inner = [s for s in _statements(node) if s.lineno <= mutant.line <= (s.end_lineno or 0)]
        if not inner:
            return scope, statement
        if isinstance(node, _SCOPES):
            scope = node
        node = statement = inner[-1]


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _statements(child)


def _own_lines(statement: ast.stmt) -> range:
    """Those of a statement without the statements within it."""
    inner = [s.lineno for s in _statements(statement)]
    last = min(inner) - 1 if inner else statement.end_lineno or 0
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _uses(path: str, scope: ast.AST, statement: ast.stmt) -> set[Place]:
    """Lines that name what is defined, and the body of a function whose head is changed."""
    found = set[Place]()
    if isinstance(statement, _FUNCTIONS):
        found |= {(path, line) for s in statement.body for line in _own_lines(s)}
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and _stored(n)}
    if isinstance(scope, ast.ClassDef):
        names.add(scope.name)
    for name in names:
        pattern = re.compile(rf"\b{re.escape(name)}\b")
        found |= {(p, n) for p, lines in _texts() for n, t in lines if pattern.search(t)}
    return found - {(path, line) for line in _own_lines(statement)}


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_bytes())


@cache
def _texts() -> list[tuple[str, list[tuple[int, str]]]]:
    return [
        (str(path.relative_to(ROOT)), list(enumerate(path.read_text().splitlines(), 1)))
        for path in sorted((ROOT / "tracer").rglob("*.py"))
    ]
