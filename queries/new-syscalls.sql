-- Purpose: Syscalls of a run that no earlier run of the same executable made or tried.
-- Param run (run) = last: which run
-- Units: calls; earlier_runs in runs with eBPF figures
WITH this AS (FROM runs WHERE run_id = $run),
earlier AS (
    SELECT runs.run_id
    FROM runs INNER JOIN this ON runs.executable = this.executable
    WHERE runs.started_at < this.started_at AND runs.trace = 'full'
)
SELECT
    name,
    abi,
    calls,
    errors,
    blocked,
    (SELECT count(*) FROM earlier) AS earlier_runs
FROM syscall_totals AS now
WHERE run_id = $run AND NOT EXISTS (
    FROM syscalls AS old SEMI JOIN earlier USING (run_id)
    WHERE old.abi = now.abi AND old.nr = now.nr
)
ORDER BY calls DESC, name
