/* Calls that seccomp refused or logged, with registers and stack. */
#ifndef SBTRACE_REFUSED_H
#define SBTRACE_REFUSED_H

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

/* The last quarter of the ring buffer is for tables and starts: a row can do without its stack,
 * a lost table is lost calls. */
static __always_inline bool has_room_for_a_stack(void) {
    u64 taken = bpf_ringbuf_query((void *)VALUE(MAP_records), BPF_RB_AVAIL_DATA);

    return taken < RING_PAGES * PAGE_SIZE / 4 * 3;
}

static __always_inline void write_refused(void *ctx, struct scratch *work, u64 now) {
    struct refused_record *record = NULL;
    void *task = (void *)bpf_get_current_task();

    if (has_room_for_a_stack())
        record = records.ringbuf_reserve(sizeof(struct refused_record));
    if (!record) {
        lose(LOST_STACKS, 1);
        return;
    }
    void *mm = FIELD(void *, task, OFFSET_task_struct_mm);
    record->kind = RECORD_REFUSED;
    record->at_ns = now;
    bpf_probe_read_kernel(&record->key, sizeof(record->key), &work->refused);
    bpf_probe_read_kernel(&record->regs, sizeof(record->regs), &work->regs);
    record->code_start = FIELD(u64, mm, OFFSET_mm_struct_start_code);
    record->code_end = FIELD(u64, mm, OFFSET_mm_struct_end_code);
    void *program =
        FIELD(void *, FIELD(void *, mm, OFFSET_mm_struct_exe_file), OFFSET_file_f_inode);
    record->program_inode = FIELD(u64, program, OFFSET_inode_i_ino);
    record->program_device =
        FIELD(u32, FIELD(void *, program, OFFSET_inode_i_sb), OFFSET_super_block_s_dev);
    record->frames_bytes = bpf_get_stack(ctx, record->frames, sizeof(record->frames),
                                         BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
    record->stack_bytes = copy_stack(record->stack, work->refused.sp);
    records.ringbuf_submit(record, wakeup(sizeof(*record)));
}

/* Records a refused (or logged) call with its cause; the same call again only adds one.
 * work->regs and work->refused.{nr,abi,how,ret} are set by the caller. */
static __always_inline void record_refused(void *ctx, struct thread *thread, void *kernel_regs,
                                           struct scratch *work) {
    struct refused_key *key = &work->refused;
    struct refused_count *seen;
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
    seen = refused.lookup(key);
    if (seen) {
        seen->count++; /* one thread's own key: no race */
        seen->last_ns = now;
        return;
    }
    struct refused_count first = {.count = 1, .first_ns = now, .last_ns = now};
    if (refused.update(key, &first))
        lose(LOST_DETAILS, 1);
    else
        write_refused(ctx, work, now);
}

#ifdef LOGGING
/* A call that SECCOMP_RET_LOG may have let through; Python asks the profile whether it did. */
static __always_inline void record_logged(void *ctx, struct thread *thread, void *kernel_regs) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    struct scratch *work = scratch();
    u8 *wanted;

    wanted = logged.lookup(&nr);
    if (!work || thread->head.flags & THREAD_ARMED || (abi == ABI_NATIVE && wanted && !*wanted))
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    work->refused.nr = nr;
    work->refused.abi = abi;
    work->refused.how = REFUSED_LOG;
    work->refused.ret = 0;
    record_refused(ctx, thread, kernel_regs, work);
}
#endif

/* An exit without an entry: seccomp refused the call before sys_enter could fire. */
static __always_inline void count_refused(void *ctx, struct thread *thread, void *kernel_regs,
                                          u32 how, long ret) {
    struct scratch *work = scratch();
    struct slot *slot;

    if (!work || thread->head.flags & THREAD_ARMED)
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    work->refused.nr = refused_nr(&work->regs, kernel_regs);
    work->refused.abi = abi_of(bpf_get_current_task_btf(), work->refused.nr);
    /* From memory: of a kept value, the verifier would follow each ABI on its own path. */
    u32 nr = *(volatile u32 *)&work->refused.nr, abi = *(volatile u32 *)&work->refused.abi;

    slot = slot_of(thread, abi, nr);
    if (slot)
        slot->blocked++;
    else
        lose(LOST_SLOTS, 1);
    if (how == REFUSED_RETURN && ret < 0 && ret >= -4095)
        count_errno(thread, abi, nr, -ret | 0x8000);
    work->refused.how = how;
    work->refused.ret = how == REFUSED_RETURN ? ret : 0;
    record_refused(ctx, thread, kernel_regs, work);
    thread->head.sigsys = 0;
}

#endif
