-- The views of sbtrace, schema version 5. docs/schema.md says what each column means.
-- Sums are cast to BIGINT: DuckDB's own HUGEINT becomes a DOUBLE in Parquet.

-- Element by element, the sum of the latency histograms of a group.
CREATE MACRO sum_histograms(histograms) AS
    list_transform(
        range(1, coalesce(list_max(list_transform(histograms, lambda h: len(h))), 0) + 1),
        lambda i: list_sum(list_transform(histograms, lambda h: h[i]))::UBIGINT
    );

CREATE VIEW syscall_totals AS
SELECT
    run_id,
    abi,
    nr,
    name,
    sum(calls)::BIGINT AS calls,
    sum(errors)::BIGINT AS errors,
    sum(blocked)::BIGINT AS blocked,
    sum(unfinished)::BIGINT AS unfinished,
    sum(calls - unfinished)::BIGINT AS returned,
    sum(total_ns)::BIGINT AS total_ns,
    min(min_ns) AS min_ns,
    max(max_ns) AS max_ns,
    sum(total_ns) / nullif(sum(calls - unfinished), 0) AS avg_ns,
    sum_histograms(list(histogram)) AS histogram
FROM syscalls
GROUP BY run_id, abi, nr, name;

CREATE VIEW process_totals AS
SELECT
    process.run_id,
    process.process_id,
    process.image,
    process.pid,
    process.parent_id,
    process.comm,
    process.executable,
    process.argv,
    process.start_ns,
    process.end_ns,
    process.exit_code,
    process.term_signal,
    coalesce(counted.calls, 0) AS calls,
    coalesce(counted.errors, 0) AS errors,
    coalesce(counted.blocked, 0) AS blocked,
    coalesce(counted.unfinished, 0) AS unfinished,
    counted.total_ns,
    coalesce(counted.threads, 0) AS threads
FROM processes AS process
LEFT JOIN (
    SELECT
        run_id,
        process_id,
        image,
        sum(calls)::BIGINT AS calls,
        sum(errors)::BIGINT AS errors,
        sum(blocked)::BIGINT AS blocked,
        sum(unfinished)::BIGINT AS unfinished,
        sum(total_ns)::BIGINT AS total_ns,
        count(DISTINCT thread_id) AS threads
    FROM syscalls
    GROUP BY run_id, process_id, image
) AS counted USING (run_id, process_id, image);

CREATE VIEW thread_totals AS
SELECT
    run_id,
    process_id,
    image,
    pid,
    thread_id,
    tid,
    sum(calls)::BIGINT AS calls,
    sum(errors)::BIGINT AS errors,
    sum(blocked)::BIGINT AS blocked,
    sum(unfinished)::BIGINT AS unfinished,
    sum(total_ns)::BIGINT AS total_ns,
    count(*) AS distinct_syscalls
FROM syscalls
GROUP BY run_id, process_id, image, pid, thread_id, tid;

CREATE VIEW error_totals AS
SELECT
    run_id,
    abi,
    nr,
    name,
    errno,
    errno_name,
    sum(failed)::BIGINT AS failed,
    sum(blocked)::BIGINT AS blocked
FROM syscall_errors
GROUP BY run_id, abi, nr, name, errno, errno_name;

CREATE VIEW blocked_totals AS
SELECT
    run_id,
    abi,
    nr,
    name,
    action,
    errno,
    sum(count)::BIGINT AS count,
    count(*) AS distinct_calls,
    min(at_ns) AS first_ns,
    max(last_ns) AS last_ns
FROM blocked_calls
GROUP BY run_id, abi, nr, name, action, errno;

-- What the kernel adds to syscr and syscw itself (fs/read_write.c), measured on 6.18 and held
-- by tests/kernel/test_reconciliation.py; docs/counting.md and docs/schema.md have the tables.
CREATE VIEW reconciliation AS
WITH member(family, name, skipped_errnos) AS (
    -- A member counts once it has reached the file; those of vfs_read and vfs_write do not
    -- when the descriptor or the position is bad, the vectored ones always do.
    VALUES
        ('read', 'read', ['EBADF']),
        ('read', 'pread64', ['EBADF', 'ESPIPE']),
        ('read', 'readv', []),
        ('read', 'preadv', []),
        ('read', 'preadv2', []),
        ('read', 'sendfile', ['EBADF']),
        ('read', 'sendfile64', ['EBADF']),
        ('read', 'copy_file_range', ['EBADF', 'EISDIR']),
        ('write', 'write', ['EBADF']),
        ('write', 'pwrite64', ['EBADF', 'ESPIPE']),
        ('write', 'writev', []),
        ('write', 'pwritev', []),
        ('write', 'pwritev2', []),
        ('write', 'sendfile', ['EBADF']),
        ('write', 'sendfile64', ['EBADF']),
        ('write', 'copy_file_range', ['EBADF', 'EISDIR'])
),
counted AS (
    SELECT run_id, family, sum(calls - unfinished)::BIGINT AS returned
    FROM syscalls INNER JOIN member USING (name)
    GROUP BY run_id, family
),
skipped AS (
    SELECT run_id, family, sum(failed)::BIGINT AS skipped
    FROM syscall_errors INNER JOIN member USING (name)
    WHERE list_contains(skipped_errnos, errno_name)
    GROUP BY run_id, family
),
execs AS (
    SELECT run_id, count(*) AS execs
    FROM processes
    WHERE executable IS NOT NULL
    GROUP BY run_id
),
side AS (
    SELECT run_id, trace, 'read' AS family, read_syscalls AS baseline FROM runs
    UNION ALL
    SELECT run_id, trace, 'write', write_syscalls FROM runs
),
compared AS (
    SELECT
        side.run_id,
        side.family,
        side.baseline,
        CASE WHEN side.trace = 'full' THEN coalesce(counted.returned, 0) END AS returned,
        CASE WHEN side.trace = 'full' THEN coalesce(skipped.skipped, 0) END AS skipped,
        CASE WHEN side.trace = 'full' THEN coalesce(execs.execs, 0) END AS execs
    FROM side
    LEFT JOIN counted USING (run_id, family)
    LEFT JOIN skipped USING (run_id, family)
    LEFT JOIN execs USING (run_id)
),
differing AS (
    SELECT *, baseline - (returned - skipped) AS difference FROM compared
)
SELECT
    *,
    CASE
        WHEN difference IS NULL THEN 'not known: one of the two was not recorded'
        WHEN difference = 0 THEN 'equal'
        WHEN difference > 0 AND family = 'read' AND difference <= 6 * execs
            THEN 'the kernel reads the program''s and the loader''s headers at each execve: '
                || difference || ' reads in ' || execs || ' execve'
        WHEN difference > 0
            THEN 'more in /proc: io_uring, the kernel''s own reads, or calls that eBPF lost'
        ELSE 'fewer in /proc: calls that failed before they reached a file, or processes '
            || 'that nobody waited for'
    END AS explanation
FROM differing;
