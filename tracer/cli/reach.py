"""Whether the user whose rights sbtrace takes, under sudo, may read sbtrace itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tracer.errors import UserError
from tracer.identity import as_invoking_user, invoking_user
from tracer.resources import package_dir


def require_reach() -> None:
    """Raise UserError if not: modules and SQL are read with these rights, late in a run."""
    if invoking_user().uid == os.geteuid():
        return
    with as_invoking_user() as user:
        for folder in (package_dir(), Path(sys.prefix)):
            try:
                os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            except PermissionError as error:
                raise UserError(
                    f"{folder}: user {user.name}, who called sudo (SUDO_UID), may not read"
                    " sbtrace there: install it where everybody may, or be root alone:"
                    " env -u SUDO_UID sbtrace"
                ) from error
