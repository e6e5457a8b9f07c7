"""How a condition is written: ``clone.flags & CLONE_NEWUSER == 0``, ``arg0 in [1, 2]``.

What stands in it becomes equalities of one argument, of which one must hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, cast

from tracer.profile import cubes
from tracer.profile.records import FULL_MASK, Condition
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.errors import ProfileError
    from tracer.profile.records import Operator
    from tracer.profile.where import Where

Value = int | str | list[int | str]
"""What a variable may be: a number, a word, several words, or a list of these."""
# Texts: re compiles them when they are first needed, which a start seldom does.
_CONDITION = (
    r"(?P<subject>arg(?P<index>\d+)|(?P<call>\w+)\.(?P<name>\w+))\s*"
    r"(?:&\s*(?P<mask>[^=!<>\[\]]+?)\s*)?"
    r"(?P<op>==|!=|<=|>=|<|>|(?<=[\s)\"'])(?:not\s+)?in(?=[\s\[$]))\s*(?P<value>\S.*)"
)
_DIGITS = r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*"
_NUMBERS = rf"arg([0-5])\s*(?:&\s*({_DIGITS})\s*)?==\s*({_DIGITS})"
"""The form that most profiles have in most places: it is read without more ado."""
_PART = (
    r"\s*(?:(?P<number>-?\d\w*)|(?P<word>[A-Za-z_]\w*)|\$(?P<variable>[\w-]+)"
    r"|(?P<quote>[\"'])(?P<quoted>.*?)(?P=quote)|(?P<sign>[|~()]))\s*"
)
_FORM = (
    '"arg1 == 5", with a mask "arg1 & 0xff == 5", or in words "socket.domain in [AF_UNIX, AF_INET]"'
)
_INT = 0xFFFFFFFF
_MOST_DEEP = 20


class Context(NamedTuple):
    """What a condition is read by."""

    where: Where
    syscalls: Sequence[str]
    """The calls of its rule, as they are written."""
    abis: Sequence[str]
    variables: Mapping[str, Value]

    def error(self, line: int | None, message: str) -> ProfileError:
        """For the caller to raise."""
        return self.where.error(line, message)


class _Subject(NamedTuple):
    """The argument that is looked at."""

    text: str
    index: int  # type: ignore[assignment] # the argument's, not tuple.index
    bits: int
    signed: bool
    prefixes: tuple[str, ...]
    named: bool


def parse_condition(text: object, line: int | None, context: Context) -> list[Condition]:
    """The conditions of which one must hold, for a text such as ``arg0 & 0xff == 1``.

    Raises ProfileError for another form, an unknown word, or what holds never or always.
    """
    if isinstance(text, str) and (plain := _of_numbers(text.strip())):
        return [plain]
    match = re.fullmatch(_CONDITION, text.strip()) if isinstance(text, str) else None
    if match is None:
        raise context.error(line, f"a condition is written {_FORM}, not {text!r}")
    return _Reader(match, line, context).conditions()


def _of_numbers(text: str) -> Condition | None:
    """The condition that a text of plain numbers is; None if it is anything else, or wrong."""
    match = re.fullmatch(_NUMBERS, text)
    try:
        index, mask, value = match.groups() if match else ("", None, "")
        condition = Condition(int(index), "==", int(value, 0), int(mask, 0) if mask else FULL_MASK)
    except ValueError:
        return None
    fits = condition.mask <= FULL_MASK and not condition.value & ~condition.mask
    return condition if fits else None


class _Reader:
    """Reads one condition, and knows what to say where it is wrong."""

    def __init__(self, match: re.Match[str], line: int | None, context: Context) -> None:
        self._match = match
        self._line = line
        self._context = context
        self._subject = self._read_subject()

    def conditions(self) -> list[Condition]:
        subject, op = self._subject, " ".join(self._match["op"].split())
        mask = self._mask()
        values = self._list() if op.endswith("in") else [self._value(self._match["value"])]
        values = [self._within(value, mask) for value in values]
        if op.endswith("in"):
            return self._among(values, mask, negated=op != "in")
        operator = cast("Operator", op)
        plain = mask == FULL_MASK and (op in ("==", "!=") or not subject.signed)
        if plain or op == "==":
            return [Condition(subject.index, operator, values[0], mask)]
        if subject.signed and self._match["mask"] is None:
            return self._made(cubes.compared_signed(operator, values[0], subject.bits))
        return self._made(cubes.compared(operator, values[0], mask))

    def _among(self, values: list[int], mask: int, *, negated: bool) -> list[Condition]:
        each = dict.fromkeys(values)
        return self._made(cubes.outside(each, mask) if negated else [(mask, v) for v in each])

    def _made(self, found: list[cubes.Cube]) -> list[Condition]:
        if not found or any(mask == 0 for mask, _ in found):
            raise self._error(f'"{self._match[0]}" {"always" if found else "never"} holds')
        return [Condition(self._subject.index, "==", value, mask) for mask, value in found]

    def _read_subject(self) -> _Subject:
        match = self._match
        if match["index"] is None:
            return self._named(match["subject"], match["call"], match["name"])
        if int(match["index"]) > 5:
            raise self._error(f'"{match[0]}": a call has the arguments arg0 to arg5')
        return _Subject(match["subject"], int(match["index"]), 64, False, (), False)

    def _named(self, text: str, call: str, name: str) -> _Subject:
        from tracer.words import lookup

        calls = self._context.syscalls
        if call not in calls:
            hint = did_you_mean(call, calls) or f", whose rule is for {', '.join(calls)}"
            raise self._error(f'"{text}" is about another call{hint}')
        if call in lookup.IN_MEMORY and {"i386", "arm"} & set(self._context.abis):
            raise self._error(
                f'"{text}": {", ".join(self._context.abis)} differ in where its arguments are; '
                "take the 32-bit ABI out of abis, or use arg0 to arg5"
            )
        found = lookup.argument(call, name)
        if found is None:
            known = lookup.argument_names(call)
            hint = did_you_mean(name, known) or ""
            names = f"; it has {', '.join(known)}" if known else "; use arg0 to arg5"
            raise self._error(f'"{call}" has no argument "{name}"{hint}{names}')
        for other in calls:
            beside = lookup.argument(other, name)
            if beside is None or beside[:3] != found[:3]:
                raise self._error(
                    f'"{text}": "{other}" has no such argument in that place; '
                    "make it a rule of its own"
                )
        return _Subject(text, found.index, found.bits, found.signed, found.prefixes, True)

    def _mask(self) -> int:
        width = FULL_MASK if self._subject.bits == 64 else (1 << self._subject.bits) - 1
        if self._match["mask"] is None:
            return width
        mask = self._value(self._match["mask"])
        if mask & ~width:
            raise self._error(
                f'"{self._match[0]}": the mask is wider than the argument\'s '
                f"{self._subject.bits} bits"
            )
        if mask == 0 and self._subject.named:
            raise self._error(f'"{self._match[0]}": a mask of 0 leaves nothing to compare')
        return mask

    def _list(self) -> list[int]:
        text = self._match["value"].strip()
        if text.startswith("$"):
            found = self._variable(text[1:])
            return [
                self._of_variable(each) for each in (found if isinstance(found, list) else [found])
            ]
        if not (text.startswith("[") and text.endswith("]")):
            raise self._error(f'"{self._match[0]}": after "in" comes a list: [1, 2]')
        parts = [part for part in text[1:-1].split(",") if part.strip()]
        if not parts:
            raise self._error(f'"{self._match[0]}": the list is empty')
        return [value for part in parts for value in self._entries(part)]

    def _entries(self, part: str) -> list[int]:
        """A list may be made of others: of variables that are lists."""
        text = part.strip()
        found = self._variable(text[1:]) if text.startswith("$") else None
        if isinstance(found, list):
            return [self._of_variable(each) for each in found]
        return [self._value(part)]

    def _within(self, value: int, mask: int) -> int:
        """Raises ProfileError for a value that the bits which are looked at cannot have."""
        if value >> 32 == _INT and mask <= _INT:
            value &= mask  # AT_FDCWD: a negative int
        if value & ~mask:
            shown = "the value has bits outside the mask"
            raise self._error(f'"{self._match[0]}" can never hold: {shown}')
        return value

    def _value(self, text: str) -> int:
        """The number that a text of words, numbers, ``|`` and ``~`` stands for."""
        tokens = self._tokens(text)
        value, left = self._union(tokens, 0)
        if left:
            raise self._error(f'"{self._match[0]}": "{text.strip()}" is no value')
        return value

    def _tokens(self, text: str) -> list[re.Match[str]]:
        found, at = [], 0
        while at < len(text):
            token = re.compile(_PART, re.DOTALL).match(text, at)
            if token is None or token.end() == at:
                raise self._error(f'"{self._match[0]}": "{text.strip()}" is no value')
            found.append(token)
            at = token.end()
        return found

    def _union(self, tokens: list[re.Match[str]], deep: int) -> tuple[int, list[re.Match[str]]]:
        value, tokens = self._term(tokens, deep)
        while tokens and tokens[0]["sign"] == "|":
            more, tokens = self._term(tokens[1:], deep)
            value |= more
        return value, tokens

    def _term(self, tokens: list[re.Match[str]], deep: int) -> tuple[int, list[re.Match[str]]]:
        if not tokens or deep > _MOST_DEEP:
            raise self._error(f'"{self._match[0]}": a value is missing, or nested too deep')
        first, rest = tokens[0], tokens[1:]
        if first["sign"] == "~":
            value, rest = self._term(rest, deep + 1)
            return ~value & (1 << self._subject.bits) - 1, rest
        if first["sign"] == "(":
            value, rest = self._union(rest, deep + 1)
            if rest and rest[0]["sign"] == ")":
                return value, rest[1:]
        if first["sign"] is not None:
            raise self._error(f'"{self._match[0]}": "{first[0].strip()}" is out of place')
        return self._atom(first), rest

    def _atom(self, token: re.Match[str]) -> int:
        if token["number"] is not None:
            return self._number(token["number"])
        if token["word"] is not None:
            return self._word(token["word"])
        if token["variable"] is not None:
            found = self._variable(token["variable"])
            if isinstance(found, list):
                raise self._error(f'"${token["variable"]}" is a list, and goes only with "in"')
            return self._of_variable(found)
        return self._value(token["quoted"])

    def _variable(self, name: str) -> Value:
        try:
            return self._context.variables[name]
        except KeyError:
            known = self._context.variables
            hint = did_you_mean(name, known) or "; [vars] gives it a value"
            raise self._error(f'unknown variable "${name}"{hint}') from None

    def _of_variable(self, value: int | str) -> int:
        if isinstance(value, int):
            return self._ranged(value, str(value))
        if "$" in value:
            raise self._error(f'the value "{value}" of a variable names another one')
        return self._value(value)

    def _word(self, word: str) -> int:
        from tracer.words import lookup

        subject, value = self._subject, lookup.number(word)
        if value is not None and (not subject.prefixes or word.startswith(subject.prefixes)):
            return value
        hint = did_you_mean(word, lookup.words(subject.prefixes))
        if value is None:
            remedy = hint or "; give a number, or a word of the kernel's headers"
            raise self._error(f'unknown word "{word}" for {subject.text}{remedy}')
        families = " or ".join(subject.prefixes)
        said = f'"{word}" is no value of {subject.text}'
        raise self._error(f"{said}: those begin with {families}{hint}")

    def _number(self, text: str) -> int:
        try:
            value = int(text, 0)
        except ValueError:
            raise self._error(f'"{text}" is not a number; write it as 10, 0xa or 0o12') from None
        return self._ranged(value, text)

    def _ranged(self, value: int, text: str) -> int:
        bits = self._subject.bits
        least = -(1 << bits - 1) if self._subject.named else 0
        if least <= value < 1 << bits:
            return value & (1 << bits) - 1
        said = f"{text} is out of range: "
        if self._subject.named:
            raise self._error(f"{said}{self._subject.text} has {bits} bits")
        raise self._error(
            f"{said}registers are unsigned and 64 bits wide; "
            "write a negative int as arg0 & 0xffffffff == 0xffffffff"
        )

    def _error(self, message: str) -> ProfileError:
        return self._context.error(self._line, message)
