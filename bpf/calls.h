/* A call that returned: its latency and its result. */
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

/* What the call returned, read where it is used: of a kept value the verifier would follow each
 * thing that was found out about it on a path of its own. */
static __always_inline long result(struct bpf_raw_tracepoint_args *ctx) {
    return *(volatile u64 *)&ctx->args[1];
}

#define MAX_ERRNO 4095

/* By the lower half alone, so that one question serves every ABI: what says yes is looked at
 * again by `result_of`. */
static __always_inline bool may_be_error(struct bpf_raw_tracepoint_args *ctx) {
    return (u64)(result(ctx) + MAX_ERRNO) << 32 < (u64)MAX_ERRNO << 32;
}

/* What a call of an ABI returned. Of some 32-bit ones (sigreturn, modify_ldt) the kernel leaves
 * the upper half zero: arch/x86/kernel/signal_32.c, ldt.c. */
static __always_inline long result_of(u32 abi, struct bpf_raw_tracepoint_args *ctx) {
    return abi == ABI_COMPAT ? (s32)result(ctx) : result(ctx);
}

/* Whether a signal cut the call short. One that came to its end did return, also if that end
 * was deadly: write to a broken pipe, kill of oneself. */
static __always_inline bool was_cut_short(struct thread *thread,
                                          struct bpf_raw_tracepoint_args *ctx) {
    long ret = result_of(thread->head.call_abi, ctx);

    return ret == -EINTR || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

/* Remembers a call that a signal cut short, before it is counted: its thread may die of that
 * without having seen the result (kernel/signal.c: get_signal). A tracer has seen it. */
static __always_inline void note_cut(struct thread *thread, struct bpf_raw_tracepoint_args *ctx) {
    struct table *table = element(thread->head.table);
    user_regs *regs = (user_regs *)ctx->args[0];

    if (!table || thread->head.table == NO_TABLE || is_traced((void *)bpf_get_current_task()))
        return;
    struct slot *slot = slot_in_use(thread, table);
    u64 from = slot ? (u64)&slot->total_ns : 0;
    asm volatile("" : : "r"(&from) : "memory"); /* as in errno_key */
    bpf_probe_read_kernel(&table->cut.total_ns, 3 * sizeof(u64), (void *)from);
    table->cut.start_ns = thread->head.call_ns;
    table->cut.returned = thread->head.returned + 1;
    table->cut.ip = READ(u64, &REGS_IP(regs));
    table->cut.ret = result_of(thread->head.call_abi, ctx);
    thread->head.flags |= THREAD_CUT_SHORT;
}

/* A call that did not go into a table, nor beyond it. */
static __always_inline void lose_call(struct thread *thread, u32 nr) {
    /* A tracer writes -1 to have a call skipped: that the program made none of that number
     * cannot be told. */
    if (is_skipped(nr)) {
        thread->head.returned--;
        lose(LOST_SKIPPED, 1);
    } else {
        lose(LOST_SLOTS, 1);
    }
}

static __always_inline void count_error(struct thread *thread, struct table *table,
                                        struct slot *slot, u32 abi, u32 nr, long ret) {
    if (ret >= 0 || ret < -MAX_ERRNO)
        return;
    slot->errors++;
    count_errno(thread, table, abi, nr, -ret);
}

/* A call of which the beginning or the end is not known: its time is in no sum, and it stands in
 * the first bucket, whose loss says how many such there are. */
static __always_inline struct slot *count_untimed(struct thread *thread) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    struct table *table = element(thread->head.table);
    struct slot *slot;

    if (!table)
        return NULL;
    slot = slot_of(thread, table, abi, nr);
    lose(LOST_VALUES, thread->head.noting / ARGUMENT_SPEC);
    thread->head.noting = 0;
    thread->head.returned++;
    if (!slot) {
        lose_call(thread, nr);
        return NULL;
    }
    slot->histogram[0]++;
    return slot;
}

/* The kernel skipped us at the entry. */
static __always_inline void returned_untimed(struct thread *thread,
                                             struct bpf_raw_tracepoint_args *ctx) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    struct slot *slot = count_untimed(thread);
    struct table *table = element(thread->head.table);

    if (slot && table && may_be_error(ctx))
        count_error(thread, table, slot, abi, nr, result_of(abi, ctx));
}

/* The kernel skipped us at the exit, so that the call seems to be in flight at the next entry. */
static __always_inline void returned_unseen(struct thread *thread) {
    lose(LOST_RESULTS, 1);
    thread->head.call_ns = 0;
    count_untimed(thread);
}

static __always_inline void returned(struct thread *thread, u64 start,
                                     struct bpf_raw_tracepoint_args *ctx) {
    /* rt_sigreturn's exit carries the number -1, so it is taken from the entry. */
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    u64 ns = bpf_ktime_get_ns() - start;
    struct table *table = element(thread->head.table);
    struct slot *slot;

    thread->head.returned++;
    if (!table)
        return;
    slot = slot_of(thread, table, abi, nr);
    if (UNLIKELY(!slot)) {
        lose_call(thread, nr);
        return;
    }
    slot->histogram[bucket_of(ns)]++;
    slot->total_ns += ns;
    if (ns < slot->min_ns)
        slot->min_ns = ns;
    if (ns > slot->max_ns)
        slot->max_ns = ns;
    if (UNLIKELY(may_be_error(ctx)))
        count_error(thread, table, slot, abi, nr, result_of(abi, ctx));
}

/* Takes a call back that its thread died in: it never returned. */
static __always_inline void take_back(struct thread *thread, struct table *table) {
    struct slot *slot = slot_in_use(thread, table);

    if (!slot)
        return;
    slot->histogram[bucket_of(slot->total_ns - table->cut.total_ns)]--;
    slot->total_ns = table->cut.total_ns;
    slot->min_ns = table->cut.min_ns;
    slot->max_ns = table->cut.max_ns;
    slot->errors--;
}

/* In the dying thread. What a signal would do cannot be foretold where a call ends, neither by the
 * thread's handlers nor by its masks: a tracer decides, or the next signal. */
static __always_inline void take_back_if_inside(struct thread *thread, void *kernel_regs,
                                                struct scratch *work) {
    struct table *table = element(thread->head.table);

    if (!table || !work || thread->head.call_ns || table->cut.returned != thread->head.returned)
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    if (is_still_inside(&work->regs, table->cut.ip, table->cut.ret)) {
        thread->head.call_ns = table->cut.start_ns;
        thread->head.returned--;
        uncount_errno(thread, table, -table->cut.ret);
        take_back(thread, table);
    }
}

#endif
