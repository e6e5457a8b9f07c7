-- Purpose: The errors of a run by syscall and errno: failed by the kernel, blocked by the filter.
-- Param run (run) = last: which run
-- Units: failed and blocked in calls
SELECT name, abi, errno_name, failed, blocked
FROM error_totals
WHERE run_id = $run
ORDER BY failed + blocked DESC, name, errno
