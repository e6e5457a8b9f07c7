"""From the words of a command to the file that execve gets."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tracer.errors import CommandNotExecutable, CommandNotFound

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def resolve_command(name: str, path: str | None = None) -> str:
    """Return the file of a command, looked up as execvp(3) does.

    ``path`` is the PATH to search, by default that of the environment. Raises
    CommandNotFound (127) or CommandNotExecutable (126), as a shell would end.
    """
    if not name:
        raise CommandNotFound("the command is an empty word: name a program")
    if "\0" in name:
        raise CommandNotFound("the command holds a NUL byte: no file can have that name")
    if "/" in name:
        _require_executable(name)
        return name
    refused: CommandNotExecutable | None = None
    for folder in (path or os.environ.get("PATH") or _DEFAULT_PATH).split(":"):
        candidate = f"{folder or '.'}/{name}"
        try:
            _require_executable(candidate)
        except CommandNotFound:
            continue
        except CommandNotExecutable as error:
            refused = refused or error
            continue
        return candidate
    if refused is not None:
        raise refused
    raise CommandNotFound(f"{name}: command not found: not in any folder of PATH")


def identity_of(file: str) -> str:
    """Return the absolute path by which a program is told from others, whatever led to it.

    Links of folders are followed, so that /bin/ls and /usr/bin/ls are one; the file's own is not:
    a multi-call binary such as busybox is another program under each of its names.
    """
    folder, name = os.path.split(file)
    return os.path.join(os.path.realpath(folder or "."), name)  # noqa: PTH118 - bytes of any kind


def _require_executable(file: str) -> None:
    try:
        info = Path(file).stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise CommandNotFound(f"{file}: {os.strerror(error.errno)}") from error
        raise CommandNotExecutable(f"{file}: {error.strerror}") from error
    if stat.S_ISDIR(info.st_mode):
        raise CommandNotExecutable(f"{file}: is a directory, not a program")
    if not stat.S_ISREG(info.st_mode):
        raise CommandNotExecutable(f"{file}: is not a regular file")
    if not info.st_mode & 0o111:
        raise CommandNotExecutable(
            f"{file}: is not executable: chmod +x it, or name its interpreter"
        )
