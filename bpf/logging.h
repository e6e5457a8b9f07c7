/* The feature "logging": calls that a filter lets through with SECCOMP_RET_LOG.
 *
 * Compiled in for runs whose profile logs. Its hook is in sys_enter: no other call pays for it. */

BPF_ARRAY(logged, u8, DIRECT_NRS);

/* A call that SECCOMP_RET_LOG may have let through; Python asks the profile whether it did. */
static __always_inline void record_logged(void *ctx, struct thread *thread, void *kernel_regs) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    struct scratch *work = scratch(SCRATCH_ENTER);
    u8 *wanted;

    wanted = logged.lookup(&nr);
    if (!work || (abi == ABI_NATIVE && wanted && !*wanted))
        return;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), kernel_regs);
    work->blocked.nr = nr;
    work->blocked.abi = abi;
    work->blocked.how = BLOCKED_LOG;
    work->blocked.ret = 0;
    record_blocked(ctx, thread, kernel_regs, work);
}
