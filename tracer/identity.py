"""Whose rights sbtrace works with: those of the user who asked, also under sudo.

Root opens no file by a path that another user can bend. Within ``as_invoking_user`` the
kernel checks every path, and owns every new file, as if that user did it; so a link that
they put in the way leads only to where they could have gone themselves.
"""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer import linux
from tracer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Identity(NamedTuple):
    """A user and their main group."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The login name, or the number as text where it has none."""
        return user_name(self.uid)


def user_name(uid: int) -> str:
    """Return the login name of ``uid``, or the number as text where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def invoking_user() -> Identity:
    """Return the user who asked: SUDO_UID and SUDO_GID where root was reached through sudo.

    Both are believed only from root, where they can do nothing but give rights away.
    """
    if os.geteuid() == 0:
        uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
        if _is_id(uid) and _is_id(gid):
            return Identity(int(uid), int(gid))
    return Identity(os.geteuid(), os.getegid())


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**32 - 1


def home_of(user: Identity) -> Path | None:
    """Return the home folder of ``user``; None if they have none."""
    own = os.environ.get("HOME", "")
    if user.uid == os.geteuid() and own.startswith("/"):
        return Path(own)
    try:
        return Path(pwd.getpwuid(user.uid).pw_dir)
    except KeyError:
        return None


@contextmanager
def as_invoking_user() -> Iterator[Identity]:
    """Let this thread touch files with the invoking user's rights, and its children threads too.

    setfsuid(2) is used because it holds for one thread only: the collectors, which need
    root, go on beside it. Outside sudo it changes nothing.
    """
    user = invoking_user()
    if user.uid == os.geteuid():
        yield user
        return
    own_group = linux.set_fsgid(user.gid)  # the group first: after the user it is refused
    own_user = linux.set_fsuid(user.uid)
    try:
        if linux.fsuid() != user.uid:  # setfsuid(2) reports no error
            raise StoreError(f"cannot take the rights of user {user.name}: run without sudo")
        yield user
    finally:
        linux.set_fsuid(own_user)
        linux.set_fsgid(own_group)


def become_invoking_user() -> Identity:
    """Give up root for good where it came through sudo; return who the process is now.

    Real, effective and saved ids and the groups are all set, so nothing can bring root
    back. Raises StoreError if the kernel refuses.
    """
    user = invoking_user()
    if user.uid == os.geteuid() and user.uid == os.getuid():
        return user
    try:
        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(
            f"cannot take the rights of user {user.name}: {reason}: run without sudo"
        ) from error
    return user
