-- Purpose: The syscalls that a run made most often, with their errors and time.
-- Param run (run) = last: which run
-- Param limit (integer) = 20: how many syscalls
-- Units: total_ns, avg_ns and max_ns in nanoseconds
-- Table: name, abi, calls, errors, blocked, total_ns, avg_ns
SELECT name, abi, calls, errors, blocked, total_ns, round(avg_ns)::BIGINT AS avg_ns, max_ns
FROM syscall_totals
WHERE run_id = $run
ORDER BY calls DESC, blocked DESC, name, abi
LIMIT $limit
