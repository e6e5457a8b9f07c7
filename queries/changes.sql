-- Purpose: What changed between two runs: syscalls whose calls, errors or blocked calls differ.
-- Param before (run) = last~1: the earlier run
-- Param after (run) = last: the later run
-- Units: calls; a syscall that a run did not make counts 0 there
-- Table: name, abi, calls_before as before, calls_after as after, change, more_errors, more_blocked
SELECT
    coalesce(a.name, b.name) AS name,
    coalesce(a.abi, b.abi) AS abi,
    coalesce(b.calls, 0) AS calls_before,
    coalesce(a.calls, 0) AS calls_after,
    calls_after - calls_before AS change,
    coalesce(a.errors, 0) - coalesce(b.errors, 0) AS more_errors,
    coalesce(a.blocked, 0) - coalesce(b.blocked, 0) AS more_blocked
FROM (FROM syscall_totals WHERE run_id = $after) AS a
FULL JOIN (FROM syscall_totals WHERE run_id = $before) AS b USING (abi, nr)
WHERE change <> 0 OR more_errors <> 0 OR more_blocked <> 0
ORDER BY abs(change) DESC, name
