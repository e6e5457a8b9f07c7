"""Where the keys and strings of a TOML text stand, which ``tomllib`` does not tell.

This is no parser: it runs over a text that tomllib has accepted, and so needs to know no
more of TOML than where strings and comments end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<comment>[^\S\n]*\#[^\n]*)
      | (?P<string>\"\"\"(?:\\.|[^\\])*?\"{3,5} | '''.*?'{3,5}
          | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<bare>[A-Za-z0-9_.+:-]+)
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<equals>=)
      | (?P<newline>\n)
      | (?P<space>(?:[^\S\n]|,)+|.)""",
    re.VERBOSE | re.DOTALL,
)
Path = tuple[str | int, ...]


class Lines:
    """The line, from 1, of every table, key and string of an array in a TOML text.

    A path is ``("allow",)``, ``("errno", "EPERM")`` or, in an array of tables,
    ``("rule", 0, "action")``.
    """

    def __init__(self, source: str) -> None:
        self._keys: dict[Path, int] = {}
        self._strings: dict[Path, list[int]] = {}
        self._scan(source.replace("\r\n", "\n"))

    def of(self, *path: str | int) -> int | None:
        """The line of a key or table; for one written inline, that of the nearest around it."""
        while path:
            if path in self._keys:
                return self._keys[path]
            path = path[:-1]
        return None

    def of_entry(self, *path: str | int, index: int) -> int | None:
        """The line of the array's string number ``index``, from 0."""
        strings = self._strings.get(path, [])
        return strings[index] if index < len(strings) else self.of(*path)

    def _scan(self, source: str) -> None:
        line, depth = 1, 0
        table: Path = ()
        key: Path | None = None
        pending: list[str] = []  # what stands before "=", or within a table's header
        header = False
        for kind, text in _tokens(source):
            if kind == "newline" and depth == 0:
                if header:
                    table = self._enter("".join(pending), line)
                key, pending, header = None, [], False
            elif kind == "equals" and depth == 0:
                key = (*table, *_split("".join(pending)))
                self._keys.setdefault(key, line)
            elif kind in ("open", "close") and (header or (key is None and not pending)):
                header = True
                pending.append(text)
            elif kind in ("open", "close"):
                depth += 1 if kind == "open" else -1
            elif kind == "string" and key is not None:
                self._strings.setdefault(key, []).append(line)
            elif kind in ("string", "bare") and key is None:
                pending.append(text)
            line += text.count("\n")
        if header:
            self._enter("".join(pending), line)

    def _enter(self, header: str, line: int) -> Path:
        name = _split(header.strip("[]"))
        if header.startswith("[["):
            count = sum(1 for path in self._keys if path[:-1] == name and len(path) > len(name))
            self._keys.setdefault(name, line)
            name = (*name, count)
        self._keys.setdefault(name, line)
        return name


def _tokens(source: str) -> Iterator[tuple[str | None, str]]:
    """Kind and text of all but what stands between: spaces, commas, comments."""
    for token in _TOKEN.finditer(source):
        kind = token.lastgroup
        if kind not in ("space", "comment"):
            yield kind, token.group()


def _split(dotted: str) -> Path:
    """The parts of a key, quoted or not; a dot within quotes belongs to its part."""
    return tuple(part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\"'\s]+", dotted))
