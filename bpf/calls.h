/* A call that returned: its latency, its result, and the mappings that it made. */
#ifndef SBTRACE_CALLS_H
#define SBTRACE_CALLS_H

#define SIGKILL_BIT (1u << (9 - 1))

/* Whether this thread will never see user space again: the kernel gives SIGKILL to each
 * thread of a process that is ended (complete_signal, zap_other_threads). */
static __always_inline bool is_killed(struct task_struct *task) {
    return *(u32 *)AT(task, OFFSET_task_struct_pending_signal) & SIGKILL_BIT;
}

#define EINTR                 4
#define ERESTARTSYS           512 /* include/linux/errno.h */
#define ERESTART_RESTARTBLOCK 516

/* Whether a signal cut the call short. One that came to its end did return, also if that end
 * was deadly: write to a broken pipe, kill of oneself. */
static __always_inline bool was_cut_short(long ret) {
    return ret == -EINTR || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

/* What the call returned, read where it is used: of a kept value the verifier would follow each
 * thing that was found out about it on a path of its own. */
static __always_inline long result(struct bpf_raw_tracepoint_args *ctx) {
    return *(volatile u64 *)&ctx->args[1];
}

static __always_inline void returned(struct thread *thread, u64 start,
                                     struct bpf_raw_tracepoint_args *ctx) {
    /* rt_sigreturn's exit carries the number -1, so it is taken from the entry. */
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    u64 ns = bpf_ktime_get_ns() - start;
    struct slot *slot = slot_of(thread, abi, nr);
    long ret = result(ctx);

    thread->head.returned++;
    if (UNLIKELY(!slot)) {
        lose(LOST_SLOTS, 1);
        return;
    }
    slot->histogram[bucket_of(ns)]++;
    slot->total_ns += ns;
    if (ns < slot->min_ns)
        slot->min_ns = ns;
    if (ns > slot->max_ns)
        slot->max_ns = ns;
    if (UNLIKELY(ret < 0 && ret >= -4095)) {
        slot->errors++;
        count_errno(thread, abi, nr, -ret);
    }
}

/* The file behind a new executable mapping: what names the frames of a dead process. */
static __always_inline void write_map(struct thread *thread, void *kernel_regs, long start) {
    struct map_record record = {.kind = RECORD_MAP};
    void *task = (void *)bpf_get_current_task();
    struct scratch *work = scratch();
    u64 args[6] = {};

    if (!work)
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    arguments(&work->regs, ABI_NATIVE, kernel_regs, args);
    if (!(args[2] & PROT_EXEC) || args[3] & MAP_ANONYMOUS)
        return;
    void *files = FIELD(void *, task, OFFSET_task_struct_files);
    void *table = FIELD(void *, files, OFFSET_files_struct_fdt);
    void *array = FIELD(void *, table, OFFSET_fdtable_fd);
    void *file = READ(void *, (char *)array + args[4] * sizeof(void *));
    void *inode = FIELD(void *, file, OFFSET_file_f_inode);
    void *super = FIELD(void *, inode, OFFSET_inode_i_sb);
    void *dentry = FIELD(void *, file, OFFSET_file_f_path_dentry);

    record.image = thread->head.image;
    record.pid = thread->head.pid;
    record.process_ns = thread->head.process_ns;
    record.start = start;
    record.length = args[1];
    record.file_offset = args[5];
    record.inode = FIELD(u64, inode, OFFSET_inode_i_ino);
    record.device = FIELD(u32, super, OFFSET_super_block_s_dev);
    bpf_probe_read_kernel_str(record.name, sizeof(record.name),
                              FIELD(void *, dentry, OFFSET_dentry_d_name_name));
    if (records.ringbuf_output(&record, sizeof(record), wakeup(sizeof(record))))
        lose(LOST_EVENTS, 1);
}

#endif
