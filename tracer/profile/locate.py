"""Profiles as files: found by name or path, and read with some care.

By name the shipped profiles come first, so that none in a user's folder can stand in for
STRICT. A user's profile is read by root under sudo, from a folder that this user controls.
That gives nobody more than they have, as a profile is data that can only restrict a target
which runs as that same user. It is still opened without following a link, must be a plain
file of that user or of root, and of a sane size.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tracer.errors import ProfileError
from tracer.profile.lines import Lines
from tracer.profile.parse import parse
from tracer.profile.where import Where, did_you_mean
from tracer.resources import profiles_dir

if TYPE_CHECKING:
    from tracer.profile.records import Profile

Origin = Literal["shipped", "user", "system"]
_SYSTEM = Path("/etc/sbtrace/profiles")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Available:
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
        return parse(_read(Path(name_or_path), owners=None), name_or_path)
    for origin, path in _files():
        if path.stem.casefold() == name_or_path.casefold():
            return parse(_read(path, _owners(origin)), str(path))
    raise _not_found(name_or_path)


def available() -> list[Available]:
    """Every profile that can be given by name, in the order in which they are found."""
    found: dict[str, Available] = {}
    for origin, path in _files():
        if path.stem.casefold() not in found:
            found[path.stem.casefold()] = _describe(origin, path)
    return list(found.values())


def _describe(origin: Origin, path: Path) -> Available:
    try:
        profile = parse(_read(path, _owners(origin)), str(path))
    except ProfileError as error:
        return Available(path.stem, str(path), origin, None, str(error))
    return Available(path.stem, str(path), origin, profile.description, None)


def _not_found(name: str) -> ProfileError:
    where = Where(f'profile "{name}"', Lines(""))
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
    return [(origin, path) for origin, folder in folders for path in _tomls(folder)]


def _tomls(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError:
        return []  # a folder that is not there, or not readable, holds no profile


def _invoking_uid() -> int:
    """The user who asked: SUDO_UID counts only for root, who alone can have come by sudo."""
    sudo_uid = os.environ.get("SUDO_UID", "")
    by_sudo = os.geteuid() == 0 and sudo_uid.isascii() and sudo_uid.isdigit()
    return int(sudo_uid) if by_sudo else os.getuid()


def _user_config() -> Path | None:
    uid = _invoking_uid()
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # Under sudo the variable is root's, or was passed on by the user: the home is what counts.
    if uid == os.getuid() and configured.startswith("/"):
        return Path(configured)
    try:
        return Path(pwd.getpwuid(uid).pw_dir) / ".config"
    except (KeyError, OverflowError):
        return None


def _owners(origin: Origin) -> frozenset[int] | None:
    """Who may own a file that was found by name; None = the installation's own, no question."""
    if origin == "shipped":
        return None
    return frozenset({0, _invoking_uid()} if origin == "user" else {0})


def _read(path: Path, owners: frozenset[int] | None) -> str:
    """The file's text. ``owners`` None: a path that somebody named, links followed."""
    where = Where(str(path), Lines(""))
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not make us wait
    try:
        fd = os.open(path, flags | (0 if owners is None else os.O_NOFOLLOW))
    except OSError as error:
        raise where.error(None, f"cannot read the profile: {error.strerror}") from None
    except ValueError:
        raise where.error(None, "no file can have a name with a NUL in it") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise where.error(None, "a profile must be a plain file")
        if owners is not None:
            _check_owner(status, owners, where)
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise where.error(None, f"cannot read the profile: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(content) > _MOST_BYTES:
        raise where.error(None, "larger than 1 MiB; that is no profile")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise where.error(line, "not UTF-8; a profile is TOML text in UTF-8") from None


def _check_owner(status: os.stat_result, owners: frozenset[int], where: Where) -> None:
    if status.st_uid not in owners:
        raise where.error(None, f"belongs to uid {status.st_uid}; chown it, or give it by its path")
    if status.st_mode & 0o002:
        raise where.error(None, "anybody can write it; chmod o-w it, or give it by its path")
