-- The tables of sbtrace, schema version 5. docs/schema.md says what each column means.
-- Columns bear the names of the fields of tracer/model.py, so that rows load by name.

CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    sbtrace_version VARCHAR NOT NULL
);

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL,
    argv VARCHAR[] NOT NULL,
    executable VARCHAR NOT NULL,
    cwd VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    kernel VARCHAR NOT NULL,
    uid BIGINT NOT NULL,
    target_uid BIGINT NOT NULL,
    profile VARCHAR NOT NULL,
    profile_digest VARCHAR NOT NULL,
    profile_source VARCHAR NOT NULL,
    profile_path VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    trace VARCHAR NOT NULL,
    trace_missing VARCHAR,
    tags MAP(VARCHAR, VARCHAR) NOT NULL,
    outcome VARCHAR NOT NULL,
    exit_code INTEGER,
    term_signal INTEGER,
    limit_hit VARCHAR,
    wall_ns BIGINT,
    user_ns BIGINT,
    system_ns BIGINT,
    peak_cpu_percent DOUBLE,
    max_rss_bytes BIGINT,
    peak_vm_bytes BIGINT,
    minor_faults BIGINT,
    major_faults BIGINT,
    read_syscalls BIGINT,
    write_syscalls BIGINT,
    sigsys BIGINT,
    total_syscalls BIGINT,
    unfinished_syscalls BIGINT,
    error_syscalls BIGINT,
    blocked_syscalls BIGINT,
    exact BOOLEAN,
    samples_complete BOOLEAN,
    capabilities VARCHAR[],
    dropped_capabilities VARCHAR[],
    no_new_privs BOOLEAN
);

CREATE TABLE processes (
    run_id VARCHAR NOT NULL,
    process_id BIGINT NOT NULL,
    image INTEGER NOT NULL,
    pid BIGINT NOT NULL,
    parent_id BIGINT,
    ppid BIGINT,
    comm VARCHAR,
    executable VARCHAR,
    argv VARCHAR[],
    argv_truncated BOOLEAN NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT,
    exit_code INTEGER,
    term_signal INTEGER
);

CREATE TABLE syscalls (
    run_id VARCHAR NOT NULL,
    process_id BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    image INTEGER NOT NULL,
    thread_id BIGINT NOT NULL,
    tid BIGINT NOT NULL,
    abi VARCHAR NOT NULL,
    nr BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    calls BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    unfinished BIGINT NOT NULL,
    total_ns BIGINT,
    min_ns BIGINT,
    max_ns BIGINT,
    histogram UBIGINT[] NOT NULL
);

CREATE TABLE syscall_errors (
    run_id VARCHAR NOT NULL,
    process_id BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    image INTEGER NOT NULL,
    thread_id BIGINT NOT NULL,
    tid BIGINT NOT NULL,
    abi VARCHAR NOT NULL,
    nr BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    errno INTEGER NOT NULL,
    errno_name VARCHAR NOT NULL,
    failed BIGINT NOT NULL,
    blocked BIGINT NOT NULL
);

CREATE TABLE blocked_calls (
    run_id VARCHAR NOT NULL,
    process_id BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    image INTEGER NOT NULL,
    thread_id BIGINT NOT NULL,
    tid BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    abi VARCHAR NOT NULL,
    nr BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    errno INTEGER,
    args UBIGINT[] NOT NULL,
    instruction_pointer UBIGINT NOT NULL,
    frames STRUCT(
        address UBIGINT,
        object VARCHAR,
        build_id VARCHAR,
        "offset" UBIGINT,
        "function" VARCHAR,
        function_offset UBIGINT
    )[] NOT NULL,
    count BIGINT NOT NULL,
    paths VARCHAR[]
);

CREATE TABLE arguments (
    run_id VARCHAR NOT NULL,
    process_id BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    image INTEGER NOT NULL,
    abi VARCHAR NOT NULL,
    nr BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    combination INTEGER,
    argument INTEGER,
    value UBIGINT
);

CREATE TABLE samples (
    run_id VARCHAR NOT NULL,
    at_ns BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    ppid BIGINT,
    comm VARCHAR,
    user_ns BIGINT,
    system_ns BIGINT,
    cpu_percent DOUBLE,
    rss_bytes BIGINT,
    vm_bytes BIGINT,
    peak_vm_bytes BIGINT,
    minor_faults BIGINT,
    major_faults BIGINT,
    read_syscalls BIGINT,
    write_syscalls BIGINT,
    read_chars BIGINT,
    write_chars BIGINT,
    read_bytes BIGINT,
    write_bytes BIGINT,
    threads BIGINT
);

CREATE TABLE losses (
    run_id VARCHAR NOT NULL,
    collector VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    count BIGINT NOT NULL,
    first_ns BIGINT,
    last_ns BIGINT
);
