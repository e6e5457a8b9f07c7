-- Purpose: CPU and memory of a run as it went, all its processes together.
-- Param run (run) = last: which run
-- Units: at_ns in nanoseconds since the run's start, cpu_percent 100 = one core, rss_bytes in bytes
SELECT
    at_ns,
    count(*) AS processes,
    round(sum(cpu_percent), 1) AS cpu_percent,
    sum(rss_bytes)::BIGINT AS rss_bytes,
    sum(threads)::BIGINT AS threads
FROM samples
WHERE run_id = $run
GROUP BY at_ns
ORDER BY at_ns
