-- Purpose: The syscalls that a run spent most time in, waiting included.
-- Param run (run) = last: which run
-- Param limit (integer) = 20: how many syscalls
-- Units: total_ns, avg_ns and max_ns in nanoseconds
SELECT name, abi, total_ns, round(avg_ns)::BIGINT AS avg_ns, max_ns, calls
FROM syscall_totals
WHERE run_id = $run AND total_ns IS NOT NULL
ORDER BY total_ns DESC, name, abi
LIMIT $limit
