/* Calls by way of the vsyscall page, which ask seccomp themselves and have neither sys_enter nor
 * sys_exit (arch/x86/entry/vsyscall/vsyscall_64.c: emulate_vsyscall). Those that are let through
 * are no syscalls; those that end in a signal are counted where it is generated. Nothing tells of
 * an errno: it follows from the filter. */
#ifndef SBTRACE_VSYSCALL_H
#define SBTRACE_VSYSCALL_H

#if defined(__TARGET_ARCH_x86)

/* Whether the kernel comes to ask seccomp: before that, it looks at the stack and at what the
 * call is to write. */
static __always_inline bool is_well_made(user_regs *regs, u32 call) {
    u64 caller;

    return !bpf_probe_read_user(&caller, sizeof(caller), (void *)regs->rsp) &&
           (s64)regs->rdi >= 0 && (call == VSYSCALL_TIME || (s64)regs->rsi >= 0);
}

static __always_inline u32 number_of(u32 call) {
    if (call == VSYSCALL_TIME)
        return NR_TIME;
    return call == VSYSCALL_GETCPU ? NR_GETCPU : NR_GETTIMEOFDAY;
}

/* Whether the filters of the task may return an errno for a call; work->regs are set then. */
static __always_inline bool is_doubtful(struct thread *thread, struct scratch *work, u64 regs,
                                        u32 call) {
    void *task = (void *)bpf_get_current_task();

    if (!thread || !work || call > VSYSCALL_GETCPU || seccomp_mode(task) != SECCOMP_MODE_FILTER ||
        is_always_allowed(task, number_of(call)))
        return false;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), (void *)regs);
    return is_well_made(&work->regs, call);
}

static __always_inline u64 verdict_of(u32 call) {
    u64 *verdict = verdicts.lookup(&call);

    return verdict ? *verdict : VERDICT_UNKNOWN;
}

/* Whether the run's own filters are all that the task has. */
static __always_inline bool has_no_filter_of_its_own(void) {
    void *task = (void *)bpf_get_current_task();
    u32 what = MARK_FILTERS;
    u64 *filters = marks.lookup(&what);

    return filters && *filters == FIELD(u32, task, OFFSET_task_struct_seccomp_filter_count);
}

/* TP_PROTO(int nr): 0 to 2, or negative for an address that is no call. Seccomp is asked next. */
ON(emulate_vsyscall) {
    u32 call = ctx->args[0];
    u64 regs = own_regs(bpf_get_current_task_btf());
    struct thread *thread = followed(regs);
    struct scratch *work = scratch(SCRATCH_VSYSCALL);

    if (!is_doubtful(thread, work, regs, call))
        return 0;
    u64 verdict = verdict_of(call);
    if (verdict == VERDICT_SIGNAL)
        return 0; /* filters of its own can make it but a worse one */
    if (verdict == VERDICT_UNKNOWN || !has_no_filter_of_its_own()) {
        lose(LOST_UNSEEN, 1);
        return 0;
    }
    work->regs.orig_rax = number_of(call);
    count_returned(ctx, thread, (void *)regs, work, BLOCKED_RETURN, VERDICT_ERRNO - verdict);
    return 0;
}

/* In place of the one above where the run's filter gives none of the calls an errno, which is
 * nearly always: it is a millisecond less for the verifier. */
ON(emulate_vsyscall_briefly) {
    u32 call = ctx->args[0];
    u64 regs = own_regs(bpf_get_current_task_btf());

    if (is_doubtful(followed(regs), scratch(SCRATCH_VSYSCALL), regs, call) &&
        verdict_of(call) != VERDICT_SIGNAL)
        lose(LOST_UNSEEN, 1);
    return 0;
}

#endif

#endif
