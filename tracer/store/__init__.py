"""The store: every run on disk as it goes, and taken into one DuckDB file at its end."""
