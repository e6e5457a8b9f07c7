"""A command under a profile that refuses what a test names, and what the run says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Recorded, Sbtrace

ANY_ABI = 'abis = ["any"]'  # then nothing is left to refuse, and no filter is loaded


class Refusing:
    """Runs a command under a profile that allows everything but what it is given."""

    def __init__(self, sbtrace: Sbtrace, folder: Path) -> None:
        self.sbtrace = sbtrace
        self._profile = folder / "refusing.toml"

    def __call__(self, rules: str, *command: Any, options: tuple[str, ...] = ()) -> Recorded:
        self._profile.write_text(f'default_action = "allow"\n{rules or ANY_ABI}\n')
        return self.sbtrace.run(*command, options=("--profile", self._profile, *options))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``blocked_calls``."""
        return self.sbtrace.sql("SELECT * FROM blocked_calls ORDER BY at_ns")

    def stat(self, name: str = "getpgid") -> dict[str, Any]:
        """The sums of one syscall."""
        (row,) = self.sbtrace.sql(
            "SELECT sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors, "  # noqa: S608 - names of ours
            "sum(blocked)::BIGINT AS blocked, sum(unfinished)::BIGINT AS unfinished, "
            "sum(total_ns)::BIGINT AS total_ns, min(min_ns)::BIGINT AS min_ns, "
            "max(max_ns)::BIGINT AS max_ns "
            f"FROM syscalls WHERE name = '{name}'"
        )
        return row

    def errnos(self, name: str = "getpgid") -> dict[str, tuple[int, int]]:
        """errno -> (failed by the kernel, blocked by the filter)."""
        rows = self.sbtrace.sql(
            "SELECT errno_name, sum(failed)::BIGINT AS failed, "  # noqa: S608 - names of ours
            "sum(blocked)::BIGINT AS blocked "
            f"FROM syscall_errors WHERE name = '{name}' GROUP BY ALL"
        )
        return {row["errno_name"]: (row["failed"], row["blocked"]) for row in rows}

    def losses(self) -> dict[str, int]:
        """What the kernel collector lost, by kind."""
        rows = self.sbtrace.sql("SELECT kind, count FROM losses WHERE collector = 'kernel'")
        return {row["kind"]: row["count"] for row in rows}
