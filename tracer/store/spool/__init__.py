"""The spool: the folder beside the database where a run is kept while it goes on.

One idea in several files: what lies where, rows as lines, files that only grow, a run on its way to
the disk, the runs that wait to be taken in, and those that go on.
"""
