"""300 malformed profiles: each is refused in one line with file, place and what to do."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT
from tracer.errors import ProfileError
from tracer.profile import load, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEED = 20
GENERATED = 240
HEAD = 'default_action = "errno:EPERM"\n'
RULE = '[[rule]]\nsyscalls = ["{}"]\naction = "{}"\nargs = {}\n'
WRITTEN = [
    *("", "[", "a", "=", "\0", "a = 1", 'default_action = "trap', "default_action = trap"),
    *("default_action = 3", 'default_action = ""', "default_action = []", "\ufeff= 1"),
    *(HEAD + more for more in ("allow = read", 'allow = "read"', "allow = [read]", "allow = {}")),
    *(HEAD + f"allow = [{entry}]" for entry in ("1", "[]", '"raed"', '"@"', '"@no"', '"$x"', '""')),
    *(HEAD + f"{key} = ['read']" for key in ("alow", "kill", "deny", "errno", "EPERM", "rules")),
    *(HEAD + more for more in ("[errno]\nEPREM = []", "[errno]\n1 = []", "[errno]\nEPERM = 1")),
    *(HEAD + f"abis = {v}" for v in ("[]", "3", '"native"', '["i686"]', '["any", "native"]')),
    *(HEAD + f"[limits]\n{v}" for v in ("cpu = 1", "core = -1", 'data = "1X"', "data = 1.5")),
    *(HEAD + f"[privileges]\n{v}" for v in ("caps = 1", 'capabilities = ["X"]')),
    *(HEAD + f"name = {v}" for v in ("1", '""', '"a b"', '"\\u001b[31m"', '"' + "x" * 65 + '"')),
    *(HEAD + f"exec = {v}" for v in ("1", '"twice"', "true")),
    *(HEAD + f"unknown = {v}" for v in ("1", '"ENOSYS"', '"errno:"')),
    *(HEAD + f'unknown = "trap"\nknows = {v}' for v in ("6", '"6"', '"99.1"', '"six"')),
    *(HEAD + f"extends = {v}" for v in ("1", '""', '"nosuch"', '"./nosuch.toml"', "[]")),
    *(HEAD + f"[vars]\n{v}" for v in ("a = {}", "a = [[]]", "'a b' = 1", "a = 1.5")),
    *(HEAD + f"[groups]\n{v}" for v in ("a = []", '"@sync" = []', '"@a" = ["@a"]', '"@a" = 1')),
    *(HEAD + v for v in ("[rule]", "rule = 1", "rule = [1]", "[[rule]]", "[[rule]]\nsyscall = []")),
    *(
        HEAD + RULE.format("socket", "allow", f"['{text}']")
        for text in (
            *("", "arg0", "arg0 =", "arg0 == ", "arg0 = 1", "arg9 == 1", "arg0 == x", "arg0 in 1"),
            *("arg0 in [1", "arg0 in 1]", "arg0 not in 1]"),
            *("socket == 1", "socket.x == 1", "socket.domain == AF_NET", "clone.flags == 0"),
            *("socket.domain in [", "socket.domain & == 1", "socket.domain & 1 == 2", "arg0 == $a"),
            *("socket.domain == -9999999999", "socket.domain not in []", "arg0 & 0x1 == 1 == 1"),
        )
    ),
    HEAD + 'allow = ["read"]\ntrap = ["read"]',
    HEAD + 'allow = ["@network-io"]\ntrap = ["@basic-io"]\nlog = ["@io-event", "poll"]\ntrap = []',
    HEAD + "".join(RULE.format("socket", action, '["arg0 == 1"]') for action in ("log", "trap")),
    HEAD + RULE.format("@sync", "allow", '["arg0 == 1"]'),
    HEAD + RULE.format("socket", "alow", '["arg0 == 1"]'),
    HEAD + 'abis = ["any"]\nallow = ["read"]',
    "x = " + "[" * 2000 + "]" * 2000,
]  # fmt: skip


def cut(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return text[:at] + text[at + draw.randint(1, 12) :]


def ended(text: str, draw: random.Random) -> str:
    return text[: draw.randrange(1, len(text))]


def doubled(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    return "".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])


def misspelt(text: str, draw: random.Random) -> str:
    words = list(re.finditer(r"[A-Za-z_]{4,}", text))
    word = draw.choice(words)
    at = draw.randrange(word.start(), word.end() - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def strange(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return (
        text[:at]
        + draw.choice(('"', "'", "[", "]", "=", "\x1b[31m", "\0", "]]", "{", "é"))
        + text[at:]
    )


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (cut, ended, doubled, misspelt, strange)


def generated() -> Iterator[str]:
    """Shipped profiles, each with one change that makes it wrong; always the same ones."""
    draw = random.Random(SEED)  # noqa: S311 - a choice, no secret
    sources = [(ROOT / "profiles" / f"{name}.toml").read_text() for name in ("STRICT", "LEARNING")]
    sources.append(
        HEAD + 'allow = ["read", "@sync"]\n' + RULE.format("socket", "trap", '["arg0 == 1"]')
    )
    while True:
        text = draw.choice(CHANGES)(draw.choice(sources), draw)
        if refusal(text) is not None:
            yield text


def refusal(text: str) -> str | None:
    try:
        parse(text, "bad.toml", "x86_64")
    except ProfileError as error:
        return str(error)
    return None


def assert_clear(text: str, said: str | None) -> None:
    """One line that begins with the file and, but for what is not there, the line in it."""
    assert said is not None, text[-200:]
    match = re.fullmatch(r"bad\.toml(?::(\d+))?: (.{12,})", said)
    assert match is not None, said
    assert said.isprintable()
    lines = text.count("\n") + 1
    if match[1] is None:
        assert re.search("default_action is missing; add|too deep|at end of|statement", said), said
    else:
        assert 1 <= int(match[1]) <= lines, (said, text[-200:])
    assert REMEDY.search(match[2]), said


# How a line says what to do: what was meant, what there is, what form it has, where to look.
REMEDY = re.compile(
    r"did you mean|known: |must be|is written|is a (list|table)|give |name |write|add "
    r"|take |such as|see |needs? |not valid TOML: |lists them|it is for|is the |out of "
    r"|has bits|of its own|unsigned|has the arguments|those begin|comes a list|is empty"
    r"|already|circle|use |begins|written|is no value|is missing|never hold|is about"
    r"|not found|or \"listed\"|too deep|cannot|gives it|it has "
)


@pytest.mark.parametrize("text", WRITTEN, ids=range(len(WRITTEN)))
def test_a_malformed_profile_is_told_with_file_place_and_remedy(text: str) -> None:
    assert_clear(text, refusal(text))


def test_shipped_profiles_with_one_mistake_are_told_with_file_place_and_remedy() -> None:
    texts = generated()
    for _ in range(GENERATED):
        text = next(texts)
        assert_clear(text, refusal(text))
    assert GENERATED + len(WRITTEN) >= 300


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(HEAD.encode() + b'name = "\xff"\n')
    with pytest.raises(ProfileError, match=r"bad\.toml:2: not UTF-8"):
        load(str(path))
