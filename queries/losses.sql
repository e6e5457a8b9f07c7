-- Purpose: Runs that are not exact, and what each is known to miss.
-- Param limit (integer) = 20: how many rows
-- Units: count in what the kind counts, first_ns and last_ns in nanoseconds since the run's start
SELECT run_id, collector, kind, losses.count, first_ns, last_ns
FROM losses INNER JOIN runs USING (run_id)
ORDER BY runs.started_at DESC, run_id, collector, kind
LIMIT $limit
