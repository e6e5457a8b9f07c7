"""Profiles as files: found by name or path, and read with some care.

By name the shipped profiles come first, so that none in a user's folder can stand in for
STRICT. A user's profile is read by root under sudo, from a folder that this user controls.
That gives nobody more than they have: a profile is data that can only restrict a target which
runs as that same user, and it is looked for and opened with that user's rights. It is still
opened without following a link, and must be a plain file of that user or of root.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from tracer.errors import ProfileError
from tracer.identity import as_invoking_user, home_of, invoking_user
from tracer.profile.layers import Found
from tracer.profile.lines import Lines
from tracer.profile.parse import parse
from tracer.profile.where import Where, did_you_mean
from tracer.resources import profiles_dir

if TYPE_CHECKING:
    from tracer.profile.layers import Find
    from tracer.profile.records import Profile

Origin = Literal["shipped", "user", "system"]
_SYSTEM = Path("/etc/sbtrace/profiles")
_MOST_BYTES = 1 << 20


class Available(NamedTuple):
    """A profile that can be given by name."""

    name: str
    """What ``--profile`` takes: the file's name without ``.toml``."""
    path: str
    origin: Origin
    description: str | None
    """None if the profile is not valid."""
    error: str | None
    """Why it is not valid; None if it is."""


def load(name_or_path: str) -> Profile:
    """The profile of that name, whatever the case, or in that file.

    Taken as a path if it contains ``/`` or ends in ``.toml``. Raises ProfileError if there is
    none, or it cannot be read, or is wrong.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        text = _read(Path(name_or_path), owners=None)
        return parse(text, name_or_path, find=_finder(None))
    found = _named(name_or_path)
    return parse(found.source, found.path, find=found.find)


def _named(name: str) -> Found:
    """The profile of that name. Raises ProfileError if there is none."""
    for origin, path in _files():
        if path.stem.casefold() == name.casefold():
            return Found(str(path), _found(origin, path), _finder(origin))
    raise _not_found(name)


def _finder(origin: Origin | None) -> Find:
    """Finds what a profile extends, with the care and the rights with which it was read itself.

    ``origin`` None: it was given by its path.
    """

    def find(name: str, path: str) -> Found:
        if "/" not in name and not name.endswith(".toml"):
            return _named(name)
        beside = Path(os.path.normpath(Path(path).parent / name))
        text = _read(beside, owners=None) if origin is None else _found(origin, beside)
        return Found(str(beside), text, find)

    return find


def available() -> list[Available]:
    """Every profile that can be given by name, in the order in which they are found."""
    found: dict[str, Available] = {}
    for origin, path in _files():
        if path.stem.casefold() not in found:
            found[path.stem.casefold()] = _describe(origin, path)
    return list(found.values())


def _describe(origin: Origin, path: Path) -> Available:
    try:
        profile = parse(_found(origin, path), str(path), find=_finder(origin))
    except ProfileError as error:
        return Available(path.stem, str(path), origin, None, str(error))
    return Available(path.stem, str(path), origin, profile.description, None)


def _not_found(name: str) -> ProfileError:
    where = Where(f'profile "{name}"', Lines(""))
    with suppress(OSError, ValueError):  # a name too long, or with a NUL, is no file's
        if Path(name).is_file():
            return where.error(None, f"a file is given by its path: ./{name}")
    names = [path.stem for _, path in _files()]
    hint = did_you_mean(name.upper(), names) or f"; there are {', '.join(names) or 'none'}"
    return where.error(None, f"not found{hint}")


def _files() -> list[tuple[Origin, Path]]:
    folders: list[tuple[Origin, Path]] = [("shipped", profiles_dir())]
    if (config := _user_config()) is not None:
        folders.append(("user", config / "sbtrace" / "profiles"))
    folders.append(("system", _SYSTEM))
    return [(origin, path) for origin, folder in folders for path in _tomls(origin, folder)]


def _tomls(origin: Origin, folder: Path) -> list[Path]:
    with as_invoking_user() if origin == "user" else nullcontext():
        try:
            return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
        except OSError:
            return []  # a folder that is not there, or not readable, holds no profile


def _user_config() -> Path | None:
    user = invoking_user()
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # Under sudo the variable is root's, or was passed on by the user: the home is what counts.
    if user.uid == os.geteuid() and configured.startswith("/"):
        return Path(configured)
    home = home_of(user)
    return home / ".config" if home else None


def _found(origin: Origin, path: Path) -> str:
    """The text of a file that was found by name."""
    if origin == "shipped":
        return _read(path, None)  # the installation's own
    if origin == "system":
        return _read(path, frozenset({0}))
    with as_invoking_user() as user:
        return _read(path, frozenset({0, user.uid}))


def _read(path: Path, owners: frozenset[int] | None) -> str:
    """The file's text. ``owners`` None: a path that somebody named, links followed."""
    where = Where(str(path), Lines(""))
    content = _content(path, owners, where)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise where.error(line, "not UTF-8; a profile is TOML text in UTF-8") from None


def read_bytes(path: str) -> bytes:
    """What is in a plain file that somebody named; ``-`` is stdin. Raises ProfileError."""
    where = Where(path, Lines(""))
    if path == "-":
        return _whole(sys.stdin.buffer, where)
    return _content(Path(path), None, where)


def _content(path: Path, owners: frozenset[int] | None, where: Where) -> bytes:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not make us wait
    try:
        fd = os.open(path, flags | (0 if owners is None else os.O_NOFOLLOW))
    except OSError as error:
        raise where.error(None, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise where.error(None, "no file can have a name with a NUL in it") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise where.error(None, "must be a plain file")
        if owners is not None:
            _check_owner(status, owners, where)
        with os.fdopen(fd, "rb", closefd=False) as file:
            return _whole(file, where)
    except OSError as error:
        raise where.error(None, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)


def _whole(file: BinaryIO, where: Where) -> bytes:
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise where.error(None, "larger than 1 MiB; that is no profile")
    return content


def _check_owner(status: os.stat_result, owners: frozenset[int], where: Where) -> None:
    if status.st_uid not in owners:
        raise where.error(None, f"belongs to uid {status.st_uid}; chown it, or give it by its path")
    if status.st_mode & 0o002:
        raise where.error(None, "anybody can write it; chmod o-w it, or give it by its path")
