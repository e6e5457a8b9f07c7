-- Purpose: What each profile blocked or logged, over all runs.
-- Param profile (text) = %: name of the profile, SQL pattern
-- Units: blocked in calls, runs in runs that had at least one
SELECT
    runs.profile,
    blocked_totals.name,
    blocked_totals.abi,
    blocked_totals.action,
    sum(blocked_totals.count)::BIGINT AS blocked,
    count(DISTINCT runs.run_id) AS runs
FROM blocked_totals INNER JOIN runs USING (run_id)
WHERE runs.profile ILIKE $profile
GROUP BY ALL
ORDER BY blocked DESC, runs.profile, blocked_totals.name
