-- Purpose: How often each command was run, how it ended, and how long it took.
-- Param limit (integer) = 20: how many commands
-- Units: avg_wall_ns in nanoseconds, the others in runs
-- Table: executable cut, runs, ok, blocked, failed, avg_wall_ns
SELECT
    executable,
    count(*) AS runs,
    count(*) FILTER (outcome = 'exited' AND exit_code = 0) AS ok,
    count(*) FILTER (outcome = 'blocked') AS blocked,
    count(*) FILTER (outcome <> 'blocked' AND (outcome <> 'exited' OR exit_code <> 0)) AS failed,
    round(avg(wall_ns))::BIGINT AS avg_wall_ns,
    max(started_at) AS latest
FROM runs
GROUP BY executable
ORDER BY runs DESC, executable
LIMIT $limit
