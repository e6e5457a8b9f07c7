"""Whom a target runs as."""

from __future__ import annotations

import pytest

from tracer.errors import UserError
from tracer.sandbox.user import target_user


@pytest.mark.parametrize("spec", ["no-such-user", "4294967295", "-1", ""])
def test_a_user_that_is_none_is_an_error(spec: str) -> None:
    with pytest.raises(UserError):
        target_user(spec)
