"""DuckDB: its extension module by itself, without the Python package around it.

The package re-exports the extension and adds a relational API, file systems and a look at its own
metadata; importing it takes four times as long (`python -m tests.bench.import_cost`). Who writes
does without; who reads uses relations, and imports the package.
"""

from __future__ import annotations

from tracer.errors import StoreError

try:
    import _duckdb as duckdb
except ImportError:  # should a release have it elsewhere
    try:
        import duckdb  # type: ignore[no-redef]  # the same names
    except ImportError as error:
        raise StoreError(
            f"DuckDB cannot be loaded: {error}: look at the limit on memory (ulimit -v), or install"
            " it again (make setup)"
        ) from error

__all__ = ["duckdb"]
