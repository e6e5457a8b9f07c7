-- Purpose: The runs that took longest.
-- Param limit (integer) = 20: how many runs
-- Units: wall_ns, user_ns and system_ns in nanoseconds
-- Table: run_id, wall_ns, outcome, profile, argv cut
SELECT run_id, wall_ns, user_ns, system_ns, outcome, profile, argv
FROM runs
WHERE wall_ns IS NOT NULL
ORDER BY wall_ns DESC, run_id
LIMIT $limit
