"""Whom the target runs as."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from tracer.errors import UserError
from tracer.identity import invoking_user


class TargetUser(NamedTuple):
    """The credentials that the target gets, with the home that goes with them."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str | None
    """None for a number without an entry in the user database."""
    home: str | None
    changes: bool
    """Whether this is another user than sbtrace runs as, so that ids have to be set."""


def target_user(spec: str | None) -> TargetUser:
    """Return the user of ``--user`` (name or uid), else the one who asked.

    Raises UserError if there is none, or if only root may become that user.
    """
    if spec is None:
        asker = invoking_user()
        if asker.uid == os.geteuid():
            return _present()
        return _of(asker.uid, _entry_of(asker.uid), asker.gid)
    entry = _named(spec)
    if entry is None and not spec.isdecimal():
        raise UserError(f"--user {spec}: no such user: give a name or a uid of getent passwd")
    uid = entry.pw_uid if entry is not None else _number(spec)
    if uid >= 2**32 - 1:
        raise UserError(f"--user {spec}: not a uid: the largest is {2**32 - 2}")
    if uid == os.geteuid():
        return _present()
    if os.geteuid() != 0:
        raise UserError(f"--user {spec}: only root can start a command as another user: use sudo")
    return _of(uid, entry, entry.pw_gid if entry is not None else uid)


def _present() -> TargetUser:
    uid = os.geteuid()
    entry = _entry_of(uid)
    return TargetUser(
        uid=uid,
        gid=os.getegid(),
        groups=tuple(os.getgroups()),
        name=entry.pw_name if entry else None,
        home=entry.pw_dir if entry else None,
        changes=False,
    )


def _of(uid: int, entry: pwd.struct_passwd | None, gid: int) -> TargetUser:
    return TargetUser(
        uid=uid,
        gid=gid,
        groups=tuple(os.getgrouplist(entry.pw_name, gid)) if entry is not None else (gid,),
        name=entry.pw_name if entry is not None else None,
        home=entry.pw_dir if entry is not None else None,
        changes=True,
    )


def _named(spec: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(spec)
    except (KeyError, ValueError):
        return _entry_of(_number(spec)) if spec.isdecimal() else None


def _number(spec: str) -> int:
    """The number that a decimal word stands for. Eleven digits are too large for a uid already."""
    return int(spec.lstrip("0")[:11] or "0")


def _entry_of(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return None
