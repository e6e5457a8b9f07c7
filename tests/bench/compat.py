"""Older releases of DuckDB read what sbtrace writes: `make compat`.

The newest command line of DuckDB may be older than the Python package that wrote a database. Each
release is installed by pip into an environment of its own, and reads every table and every view
of a database in which this checkout recorded one run. Needs a package registry.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.support import Sbtrace

RELEASES = ("1.1.3", "1.2.2", "1.4.0", "1.5.6")
# Of the types of Python's own none is asked for: an instant needs a package more.
_READ = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'"
    for (name,) in connection.execute(names).fetchall():
        connection.execute(f"CREATE TEMP TABLE copy_of_{name} AS FROM {name}")
    print(connection.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary").fetchone()[0])
"""


def reads(release: str, database: Path, folder: Path) -> str:
    """How many tables and views a release reads; else why it does not."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"duckdb=={release}"], check=True)
    done = subprocess.run(
        [python, "-c", _READ, database], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return f"reads {done.stdout.strip()} tables and views"
    return f"FAILS: {done.stderr.strip().splitlines()[-1]}"


def main() -> int:
    failed = False
    with tempfile.TemporaryDirectory(prefix="sbtrace-compat-") as at:
        sbtrace = Sbtrace(Path(at), (sys.executable, "-m", "tracer.cli.main"))
        sbtrace.run("true")
        for release in RELEASES:
            said = reads(release, sbtrace.db, Path(at) / release)
            failed = failed or "FAILS" in said
            print(f"duckdb {release:8} {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
