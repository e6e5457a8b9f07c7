/* Calls that seccomp blocked or logged, with registers and stack. */
#ifndef SBTRACE_BLOCKED_H
#define SBTRACE_BLOCKED_H

/* Copies what is mapped of the stack above sp: all of it, or the largest part that reads. */
static __always_inline u32 copy_stack(char *to, u64 sp) {
    if (!bpf_probe_read_user(to, STACK_BYTES, (void *)sp))
        return STACK_BYTES;
    if (!bpf_probe_read_user(to, STACK_BYTES / 2, (void *)sp))
        return STACK_BYTES / 2;
    if (!bpf_probe_read_user(to, STACK_BYTES / 4, (void *)sp))
        return STACK_BYTES / 4;
    if (!bpf_probe_read_user(to, STACK_BYTES / 8, (void *)sp))
        return STACK_BYTES / 8;
    if (!bpf_probe_read_user(to, STACK_BYTES / 32, (void *)sp))
        return STACK_BYTES / 32;
    return 0;
}

/* What one such record takes in the ring buffer, with its header (kernel/bpf/ringbuf.c). */
#define STACK_ROOM ((sizeof(struct blocked_record) + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8)

/* Stacks that nobody has read yet have one half of the ring buffer and no more, so that the other
 * one is always there for tables and starts: a row can do without its stack, a lost table is lost
 * calls. Claimed before it is looked at: of two at once, both may be blocked, but never both get
 * the room that only one fits into. */
static __always_inline bool claim_stack_room(void) {
    u32 claimed = MARK_STACKS, read = MARK_TAKEN;
    u64 *all = marks.lookup(&claimed), *taken = marks.lookup(&read);

    if (!all || !taken)
        return false;
    __sync_fetch_and_add(all, STACK_ROOM);
    if (*(volatile u64 *)all - *(volatile u64 *)taken <= RING_PAGES * PAGE_SIZE / 2)
        return true;
    __sync_fetch_and_add(all, -STACK_ROOM);
    return false;
}

static __always_inline void unclaim_stack_room(void) {
    u32 claimed = MARK_STACKS;
    u64 *all = marks.lookup(&claimed);

    if (all)
        __sync_fetch_and_add(all, -STACK_ROOM);
}

static __always_inline void write_blocked(void *ctx, struct scratch *work, u64 now) {
    struct blocked_record *record;
    void *task = (void *)bpf_get_current_task();

    if (!claim_stack_room()) {
        lose(LOST_STACKS, 1);
        return;
    }
    record = records.ringbuf_reserve(sizeof(struct blocked_record));
    if (!record) {
        unclaim_stack_room();
        lose(LOST_STACKS, 1);
        return;
    }
    void *mm = FIELD(void *, task, OFFSET_task_struct_mm);
    record->kind = RECORD_BLOCKED;
    record->at_ns = now;
    bpf_probe_read_kernel(&record->key, sizeof(record->key), &work->blocked);
    bpf_probe_read_kernel(&record->regs, sizeof(record->regs), &work->regs);
    record->code_start = FIELD(u64, mm, OFFSET_mm_struct_start_code);
    record->code_end = FIELD(u64, mm, OFFSET_mm_struct_end_code);
    record->frames_bytes = bpf_get_stack(ctx, record->frames, sizeof(record->frames),
                                         BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
    record->stack_bytes = copy_stack(record->stack, work->blocked.sp);
    records.ringbuf_submit(record, wakeup(sizeof(*record)));
}

/* Records a blocked (or logged) call with its cause; the same call again only adds one.
 * work->regs and work->blocked.{nr,abi,how,ret} are set by the caller. */
static __always_inline void record_blocked(void *ctx, struct thread *thread, void *kernel_regs,
                                           struct scratch *work) {
    struct blocked_key *key = &work->blocked;
    struct blocked_count *seen;
    u64 now = bpf_ktime_get_ns();

    key->process_ns = thread->head.process_ns;
    key->thread_ns = thread->head.thread_ns;
    key->pid = thread->head.pid;
    key->tid = thread->head.tid;
    key->image = thread->head.image;
    key->sigsys = thread->head.sigsys;
    key->reserved = 0;
    key->ip = REGS_IP(&work->regs);
    key->sp = REGS_SP(&work->regs);
    arguments(&work->regs, key->abi, kernel_regs, key->args);
    work->row_ns = now;
    work->row_last_ns = now;
    seen = blocked.lookup(key);
    if (seen) {
        seen->count++; /* one thread's own key: no race */
        seen->last_ns = now;
        work->row_ns = seen->first_ns;
        return;
    }
    struct blocked_count first = {.count = 1, .first_ns = now, .last_ns = now};
    if (blocked.update(key, &first)) {
        work->row_ns = 0;
        lose(LOST_DETAILS, 1);
    } else {
        write_blocked(ctx, work, now);
    }
}

#define SECCOMP_MODE_FILTER 2
#define SECCOMP_MODE_DEAD   3 /* kernel/seccomp.c, since 5.17: a KILL ends this task */

static __always_inline u32 seccomp_mode(void *task) {
    return FIELD(u32, task, OFFSET_task_struct_seccomp_mode);
}

/* Whether every filter of the task lets all calls of a number of its native ABI pass
 * (kernel/seccomp.c: seccomp_cache_check_allow). A newer filter allows no more than the one before
 * it, so what is allowed now was so when the call was made. */
static __always_inline bool is_always_allowed(void *task, u32 nr) {
    void *filter = FIELD(void *, task, OFFSET_task_struct_seccomp_filter);
    void *cache = AT(filter, OFFSET_seccomp_filter_cache_allow_native);

    return nr < DIRECT_NRS && READ(u8, (char *)cache + nr / 8) >> nr % 8 & 1;
}

/* A blocked call, before sys_enter could fire. work->regs is set by the caller. */
static __always_inline void count_blocked(void *ctx, struct thread *thread, void *kernel_regs,
                                          struct scratch *work, u32 how, long ret) {
    struct table *table = element(thread->head.table);
    struct slot *slot;

    if (!table)
        return;
    work->blocked.how = how;
    work->blocked.ret = ret;
    work->blocked.nr = blocked_nr(&work->regs, kernel_regs);
    work->blocked.abi = abi_of(bpf_get_current_task_btf(), work->blocked.nr);
    /* From memory: of a kept value, the verifier would follow each ABI on its own path. */
    u32 nr = *(volatile u32 *)&work->blocked.nr, abi = *(volatile u32 *)&work->blocked.abi;

    slot = slot_of(thread, table, abi, nr);
    thread->head.noting = 0; /* `blocked` has all its arguments */
    if (slot)
        slot->blocked++;
    else
        lose(LOST_SLOTS, 1);
    record_blocked(ctx, thread, kernel_regs, work);
    thread->head.sigsys = 0;
    if (seccomp_mode((void *)bpf_get_current_task()) == SECCOMP_MODE_DEAD)
        thread->head.flags |= THREAD_KILLED_HERE;
}

/* The same with what the call returned, which is an errno or a success that is none. */
static __always_inline void count_returned(void *ctx, struct thread *thread, void *kernel_regs,
                                           struct scratch *work, u32 how, long ret) {
    count_blocked(ctx, thread, kernel_regs, work, how, ret);
    struct table *table = element(thread->head.table);
    u64 error = -*(volatile s64 *)&work->blocked.ret;

    if (table && error - 1 < MAX_ERRNO)
        count_errno(thread, table, *(volatile u32 *)&work->blocked.abi,
                    *(volatile u32 *)&work->blocked.nr, error | 0x8000);
}

/* Whether a signal waits that the task does not block. */
static __always_inline bool is_signalled(void *task) {
    void *signal = FIELD(void *, task, OFFSET_task_struct_signal);
    u64 pending = FIELD(u64, task, OFFSET_task_struct_pending_signal) |
                  FIELD(u64, signal, OFFSET_signal_struct_shared_pending_signal);

    return pending & ~FIELD(u64, task, OFFSET_task_struct_blocked);
}

#define IS_BLOCKED  1
#define IS_DOUBTFUL 2 /* and what it is said to be may be wrong */

/* Whether a filter stands behind an exit without an entry. A tracer skips calls, too: by the
 * number -1, or by PTRACE_SYSEMU, which no longer shows where it let the task go on by another
 * request. And who is interrupted or killed while a tracer or a notifier is asked comes here
 * without an answer. */
static __always_inline u32 judge(void *kernel_regs, u32 abi, u32 nr, long ret) {
    void *task = (void *)bpf_get_current_task();
    u32 mode = seccomp_mode(task);

    if (mode != SECCOMP_MODE_FILTER)
        return mode == SECCOMP_MODE_DEAD;
    if (abi == ABI_NATIVE && is_always_allowed(task, nr))
        return 0;
    if (ret == -ERESTARTSYS)
        return is_signalled(task) ? 0 : IS_BLOCKED | IS_DOUBTFUL;
    if (!is_traced(task))
        return IS_BLOCKED;
    bool unanswered = is_unanswered(kernel_regs, ret);
    if (nr == (u32)-1 || (unanswered && is_killed(bpf_get_current_task_btf())))
        return 0;
    if (is_emulated(task))
        return IS_DOUBTFUL;
    return unanswered ? IS_BLOCKED | IS_DOUBTFUL : IS_BLOCKED;
}

/* Whether the exit is of a call at whose entry the kernel skipped us, beyond doubt: no filter of
 * the task's could have blocked it. */
static __always_inline bool is_without_start(void *kernel_regs, u32 nr) {
    void *task = (void *)bpf_get_current_task();
    u32 mode = seccomp_mode(task);

    if (mode > SECCOMP_MODE_FILTER || is_traced(task))
        return false;
    return mode == 0 ||
           (mode == SECCOMP_MODE_FILTER && nr < DIRECT_NRS &&
            abi_of(bpf_get_current_task_btf(), nr) == ABI_NATIVE && is_always_allowed(task, nr));
}

/* Counts a call at whose entry the kernel skipped us; false if the exit may be another's. */
static __always_inline bool count_without_start(struct bpf_raw_tracepoint_args *ctx,
                                                struct thread *thread, void *kernel_regs) {
    struct scratch *work = scratch(SCRATCH_EXIT);

    if (!work || thread->head.sigsys)
        return false;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    u32 nr = blocked_nr(&work->regs, kernel_regs);
    if (nr == (u32)-1 || !is_without_start(kernel_regs, nr))
        return false;
    work->blocked.nr = nr;
    work->blocked.abi = abi_of(bpf_get_current_task_btf(), nr);
    thread->head.call_nr = *(volatile u32 *)&work->blocked.nr;
    thread->head.call_abi = *(volatile u32 *)&work->blocked.abi;
    lose(LOST_STARTS, 1);
    returned_untimed(thread, ctx);
    return true;
}

/* Whether the call that is noted as in flight has another number than the one that returns with
 * an error: then it returned before, and this one was blocked. What restores the registers of a
 * signal's handler has the number -1 by now. */
static __always_inline bool is_another_call(struct thread *thread, void *kernel_regs) {
    struct scratch *work = scratch(SCRATCH_EXIT);

    if (!work)
        return false;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    u32 nr = blocked_nr(&work->regs, kernel_regs);
    return nr != (u32)-1 && nr != thread->head.call_nr;
}

static __always_inline void exit_without_entry(struct bpf_raw_tracepoint_args *ctx,
                                               struct thread *thread, void *kernel_regs) {
    struct scratch *work = scratch(SCRATCH_EXIT);

    if (!work)
        return;
    thread->head.flags &= ~THREAD_CUT_SHORT; /* it is over */
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    u32 nr = blocked_nr(&work->regs, kernel_regs);
    u32 abi = abi_of(bpf_get_current_task_btf(), nr);
    work->blocked.ret = result_of(abi, ctx);
    /* Read anew each time: of a kept value, the verifier would follow each finding on its path. */
    volatile s64 *ret = (s64 *)&work->blocked.ret;
    /* A tracer can hand its tracee a SIGSYS that looks like seccomp's; an answer it is not. */
    if (thread->head.sigsys && !is_rolled_back(&work->regs, kernel_regs, *ret))
        thread->head.sigsys = 0;
    if (!thread->head.sigsys) {
        volatile u32 *found = &work->blocked.how;
        *found = judge(kernel_regs, abi, nr, *ret);
        lose(LOST_SKIPPED, *found / IS_DOUBTFUL); /* no branch: it would double the paths */
        if (!(*found & IS_BLOCKED))
            return;
        if (VALUE(PREEMPTIBLE))
            add_to_mark(MARK_DOUBTFUL);
    }
    work->blocked.how = thread->head.sigsys ? BLOCKED_SIGSYS : BLOCKED_RETURN;
    u32 how = *(volatile u32 *)&work->blocked.how;
    count_returned(ctx, thread, kernel_regs, work, how, how == BLOCKED_SIGSYS ? 0 : *ret);
}

#define SIGSYS      31
#define SYS_SECCOMP 1

/* Where siginfo_t has what seccomp tells. */
#define SI_ERRNO     4
#define SI_CALL_ADDR 16
#define SI_SYSCALL   24

/* Whether a SIGSYS of the current task comes from seccomp. A task may send itself one that looks
 * the same (rt_tgsigqueueinfo), but only by a call, and seccomp decides before there is one. */
static __always_inline bool is_of_seccomp(struct thread *thread, struct scratch *work, void *info,
                                          void *kernel_regs) {
    if (thread->head.call_ns != 0 || FIELD(s32, info, SI_CODE) != SYS_SECCOMP)
        return false;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    return FIELD(u64, info, SI_CALL_ADDR) == REGS_IP(&work->regs) &&
           FIELD(s32, info, SI_SYSCALL) == (s32)blocked_nr(&work->regs, kernel_regs) &&
           seccomp_mode((void *)bpf_get_current_task()) >= SECCOMP_MODE_FILTER;
}

/* Its exit follows, and counts it; a call by way of the vsyscall page has none. */
static __always_inline void note_sigsys(void *ctx, struct thread *thread, void *info,
                                        void *kernel_regs, u32 program) {
    struct scratch *work = scratch(program);

    if (!work || thread->head.sigsys || !is_of_seccomp(thread, work, info, kernel_regs))
        return;
    /* What the first program counted at once leaves no trace for the second one. */
    if (program == SCRATCH_SIGNAL_AGAIN && is_in_vsyscall_page(REGS_IP(&work->regs)))
        return;
    thread->head.sigsys = 1 + (FIELD(s32, info, SI_ERRNO) & 0xffff);
    if (is_in_vsyscall_page(REGS_IP(&work->regs)))
        count_blocked(ctx, thread, kernel_regs, work, BLOCKED_SIGSYS, 0);
}

#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */

static __always_inline u32 group_flags(void *task) {
    void *signal = FIELD(void *, task, OFFSET_task_struct_signal);

    return FIELD(u32, signal, OFFSET_signal_struct_flags);
}

/* A task that seccomp ends without an exit of its call: by do_exit, for KILL_THREAD beside live
 * threads (SIGSYS) and in strict mode (SIGKILL). */
static __always_inline void count_if_ended_by_seccomp(void *ctx, struct thread *thread,
                                                      void *kernel_regs, u32 program) {
    void *task = (void *)bpf_get_current_task();
    struct scratch *work = scratch(program);

    /* Before 5.17 there is no such mode: a signal from outside would end the whole process. */
    if (seccomp_mode(task) != SECCOMP_MODE_DEAD &&
        (thread->head.exit_code != SIGSYS || group_flags(task) & SIGNAL_GROUP_EXIT))
        return;
    if (!work || thread->head.call_ns != 0 || thread->head.flags & THREAD_KILLED_HERE)
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    count_blocked(ctx, thread, kernel_regs, work, BLOCKED_EXIT, 0);
}

#endif
