-- Purpose: What each run is known to miss, and whether its counts are exact all the same.
-- Param limit (integer) = 20: how many rows
-- Units: count in what the kind counts, first_ns and last_ns in nanoseconds since the run's start
-- Table: run_id, exact, samples_complete as samples, collector, kind, count
SELECT run_id, exact, samples_complete, collector, kind, losses.count, first_ns, last_ns
FROM losses INNER JOIN runs USING (run_id)
ORDER BY runs.started_at DESC, run_id, collector, kind
LIMIT $limit
