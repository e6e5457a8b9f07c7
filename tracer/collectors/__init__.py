"""The collectors: each starts, is polled, and stops with records and losses."""
