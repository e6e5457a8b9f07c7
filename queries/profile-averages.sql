-- Purpose: What an average run under each profile does, and what the profile blocked in total.
-- Units: wall_ns in nanoseconds, rss_bytes in bytes; reads, writes and syscalls in calls a run; blocked in calls over all runs
-- Table: profile, runs, reads, writes, syscalls, wall_ns, blocked
SELECT
    profile,
    count(*) AS runs,
    round(avg(read_syscalls), 1) AS reads,
    round(avg(write_syscalls), 1) AS writes,
    round(avg(total_syscalls), 1) AS syscalls,
    round(avg(max_rss_bytes))::BIGINT AS rss_bytes,
    round(avg(wall_ns))::BIGINT AS wall_ns,
    sum(blocked_syscalls)::BIGINT AS blocked
FROM runs
GROUP BY profile
ORDER BY profile
