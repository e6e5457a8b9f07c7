/* Who is followed: children take up what their parents noted, images are announced. */
#ifndef SBTRACE_FOLLOW_H
#define SBTRACE_FOLLOW_H

/* PIDs as sbtrace sees them: its own PID namespace, given by the loader. */
static __always_inline u32 own_pid(u32 *tid) {
    struct bpf_pidns_info info = {};

    if (bpf_get_ns_current_pid_tgid(VALUE(PIDNS_DEV), VALUE(PIDNS_INO), &info, sizeof(info)) == 0) {
        *tid = info.pid;
        return info.tgid;
    }
    u64 both = bpf_get_current_pid_tgid();
    *tid = (u32)both;
    return both >> 32;
}

static __always_inline void write_start(struct thread *thread) {
    struct start_record record = {.kind = RECORD_START};

    record.image = thread->head.image;
    record.pid = thread->head.pid;
    record.tid = thread->head.tid;
    record.ppid = thread->head.ppid;
    record.process_ns = thread->head.process_ns;
    record.parent_ns = thread->head.parent_ns;
    record.thread_ns = thread->head.thread_ns;
    if (records.ringbuf_output(&record, sizeof(record), wakeup_of_start(sizeof(record))))
        lose(LOST_EVENTS, 1);
}

/* Where a task is that finds its lane taken: a place that goes with its table. */
static __always_inline struct thread *guest_of(struct task_struct *current, u32 table) {
    struct enrolled *guest;
    u32 index = LANES + table;

    if (table == NO_TABLE)
        return NULL;
    guest = enrolled.task_storage_get(current, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!guest)
        return NULL;
    guest->thread = index;
    return threads.lookup(&index);
}

static __always_inline void give_table(u32 table) {
    if (table == NO_TABLE)
        return;
    give_element(table);
    add_to_taken(-1);
}

/* Begins to follow the current task: in its lane, or where that is taken as a guest. */
static __always_inline struct thread *follow(struct task_struct *current, u64 regs, u64 now) {
    struct thread *lane = lane_of(regs), *thread = lane;
    u32 table = take_element();

    if (!lane)
        return NULL;
    __sync_fetch_and_add(&lane->claims, 1);
    /* Whoever came later has seen 2, so it is ours alone. */
    if (*(volatile u32 *)&lane->claims != 1) {
        __sync_fetch_and_add(&lane->claims, -1);
        thread = guest_of(current, table);
        if (!thread) {
            give_table(table);
            lose(LOST_THREADS, 1);
            return NULL;
        }
        __sync_fetch_and_add(&lane->guests, 1);
    }
    clear(&thread->head, sizeof(thread->head));
    thread->head.table = table;
    begin_image(thread, now);
    thread->owner = regs;
    return thread;
}

/* Ends following: the lane and the table are free for the next task. */
static __always_inline void leave(struct task_struct *current, struct thread *thread, u64 regs) {
    struct thread *lane = lane_of(regs);
    u32 table = thread->head.table;
    struct enrolled *guest;

    if (!lane)
        return;
    give_further(thread);
    if (lane->owner == regs) {
        lane->owner = 0;
        __sync_fetch_and_add(&lane->claims, -1);
    } else {
        thread->owner = 0;
        guest = enrolled.task_storage_get(current, 0, 0);
        if (guest)
            guest->thread = 0;
        __sync_fetch_and_add(&lane->guests, -1);
    }
    give_table(table);
}

/* A task that is not followed may be a new child in its first event: take the note. */
static __always_inline struct thread *adopt(u64 regs) {
    u32 zero = 0, tid = (u32)bpf_get_current_pid_tgid();
    u64 *pending = noted.lookup(&zero);
    struct thread *thread;
    struct note *note;

    if (!pending || *pending == 0)
        return NULL;
    note = notes.lookup(&tid);
    if (!note)
        return NULL;
    thread = follow(bpf_get_current_task_btf(), regs, note->image_ns);
    if (thread) {
        struct head *head = &thread->head;

        head->pid = own_pid(&head->tid);
        head->ppid = note->ppid;
        head->image = note->image;
        head->process_ns = note->process_ns;
        head->parent_ns = note->parent_ns;
        head->thread_ns = note->start_ns;
        write_start(thread);
    }
    notes.delete(&tid);
    __sync_fetch_and_add(pending, -1);
    return thread;
}

static __always_inline void write_exec(struct thread *thread, void *bprm, u64 now, u32 program) {
    struct exec_record *record = exec_scratch.lookup(&program);
    void *task = (void *)bpf_get_current_task();

    if (!record)
        return;
    void *mm = FIELD(void *, task, OFFSET_task_struct_mm);
    u64 start = FIELD(u64, mm, OFFSET_mm_struct_arg_start);
    u64 end = FIELD(u64, mm, OFFSET_mm_struct_arg_end);
    u64 bytes = end > start ? end - start : 0;

    record->kind = RECORD_EXEC;
    record->image = thread->head.image;
    record->pid = thread->head.pid;
    record->process_ns = thread->head.process_ns;
    record->at_ns = now;
    record->argv_whole = bytes;
    record->filename[0] = 0;
    bpf_probe_read_kernel_str(record->filename, sizeof(record->filename),
                              FIELD(void *, bprm, OFFSET_linux_binprm_filename));
    BOUNDED(bytes);
    if (bytes > ARGV_BYTES)
        bytes = ARGV_BYTES;
    if (bytes == 0 || bpf_probe_read_user(record->argv, bytes, (void *)start))
        bytes = 0;
    record->argv_bytes = bytes;
    if (records.ringbuf_output(record, __builtin_offsetof(struct exec_record, argv) + bytes,
                               wakeup(sizeof(*record))))
        lose(LOST_EVENTS, 1);
}

/* Whoever forked the launcher reaps the target: noted by what all of its threads have in common. */
static __always_inline void note_reaper(void) {
    void *task = (void *)bpf_get_current_task();
    void *parent = FIELD(void *, task, OFFSET_task_struct_real_parent);

    mark(MARK_REAPER, FIELD(u64, parent, OFFSET_task_struct_signal));
}

#define SIGCHLD    17
#define SI_CODE    8 /* of siginfo_t */
#define CLD_DUMPED 3 /* after CLD_EXITED, 1, and CLD_KILLED; from there on nobody died */

/* The kernel tells a reaper of a child only when its last thread is dead and its memory freed
 * (kernel/exit.c: exit_notify): no more CPU time comes onto its account than it takes to leave the
 * CPU. sched_process_exit comes before all that work. */
static __always_inline void note_death(void *told, void *info) {
    u32 what = MARK_REAPER;
    u64 *reaper = marks.lookup(&what);

    if (reaper && *reaper && *reaper == FIELD(u64, told, OFFSET_task_struct_signal) &&
        FIELD(s32, info, SI_CODE) - 1u < CLD_DUMPED)
        mark(MARK_LAST_EXIT, bpf_ktime_get_ns());
}

#endif
