"""What is changed of Python: comparisons, conditions, arithmetic, constants, statements.

Not changed are words for people (strings), types, and what `import` is for.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.bench.mutations.mutant import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
_BOOLEANS = {ast.And: ("and", "or"), ast.Or: ("or", "and")}


def edits(source: bytes) -> Iterator[Edit]:
    """All that is changed of one module."""
    yield from _Finder(source).of(ast.parse(source))


class _Finder:
    def __init__(self, source: bytes) -> None:
        self._source = source
        lines = source.splitlines(keepends=True)
        self._starts = [sum(map(len, lines[:number])) for number in range(len(lines))]

    def of(self, node: ast.AST) -> Iterator[Edit]:
        """The edits of a node and of all within it, types left out."""
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        finder = getattr(self, f"_{type(node).__name__.lower()}", None)
        if finder is not None:
            yield from finder(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.of(child)

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(
            node.end_lineno, node.end_col_offset
        )

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _swap(self, left: ast.AST, right: ast.AST, words: tuple[str, str]) -> Iterator[Edit]:
        """Change the operator between two nodes."""
        start, end = self._span(left)[1], self._span(right)[0]
        old, new = words
        pattern = r"\s+".join(rf"{re.escape(word)}" for word in old.split())
        found = re.search(pattern.encode(), self._source[start:end])
        if found:
            yield Edit(start + found.start(), start + found.end(), new.encode())

    def _compare(self, node: ast.Compare) -> Iterator[Edit]:
        sides = [node.left, *node.comparators]
        for number, operator in enumerate(node.ops):
            yield from self._swap(sides[number], sides[number + 1], _COMPARISONS[type(operator)])

    def _binop(self, node: ast.BinOp) -> Iterator[Edit]:
        if type(node.op) in _ARITHMETIC and not _is_text(node.left):
            yield from self._swap(node.left, node.right, _ARITHMETIC[type(node.op)])

    def _augassign(self, node: ast.AugAssign) -> Iterator[Edit]:
        old, new = _ARITHMETIC.get(type(node.op), ("", ""))
        if old:
            yield from self._swap(node.target, node.value, (f"{old}=", f"{new}="))
        yield self._gone(node)

    def _boolop(self, node: ast.BoolOp) -> Iterator[Edit]:
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self._swap(left, right, _BOOLEANS[type(node.op)])

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[Edit]:
        if isinstance(node.op, ast.Not):
            start, _ = self._span(node)
            yield Edit(start, self._span(node.operand)[0], b"")

    def _if(self, node: ast.If) -> Iterator[Edit]:
        yield self._negated(node.test)

    _ifexp = _while = _if

    def _comprehension(self, node: ast.comprehension) -> Iterator[Edit]:
        for test in node.ifs:
            yield self._negated(test)

    def _negated(self, test: ast.expr) -> Edit:
        start, end = self._span(test)
        return Edit(start, end, b"(not (" + self._source[start:end] + b"))")

    def _constant(self, node: ast.Constant) -> Iterator[Edit]:
        if isinstance(node.value, bool):
            yield Edit(*self._span(node), str(not node.value).encode())
        elif isinstance(node.value, int | float):
            yield Edit(*self._span(node), repr(node.value + 1).encode())

    def _expr(self, node: ast.Expr) -> Iterator[Edit]:
        if not isinstance(node.value, ast.Constant | ast.Yield):
            yield self._gone(node)

    def _assign(self, node: ast.Assign) -> Iterator[Edit]:
        if any(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            yield self._gone(node)

    def _raise(self, node: ast.Raise) -> Iterator[Edit]:
        yield self._gone(node)

    def _return(self, node: ast.Return) -> Iterator[Edit]:
        if node.value is not None and not _is_nothing(node.value):
            yield Edit(*self._span(node), b"return None")

    def _continue(self, node: ast.Continue) -> Iterator[Edit]:
        yield Edit(*self._span(node), b"break")

    def _break(self, node: ast.Break) -> Iterator[Edit]:
        yield Edit(*self._span(node), b"continue")

    def _gone(self, node: ast.stmt) -> Edit:
        return Edit(*self._span(node), b"pass")


def _is_text(node: ast.expr) -> bool:
    """Whether + or % of it joins or formats words."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
