// What sbtrace's design rests on, as the kernel itself shows it: every entry and exit of a
// syscall of one process, and every SIGSYS it is sent. tests/kernel/test_kernel_facts.py loads
// it; nothing here is sbtrace's.

struct event {
    u64 kind; // 1 sys_enter, 2 sys_exit, 3 signal_generate, 4 sched_process_exit
    u64 tid;
    s64 id; // of sys_enter; of sys_exit, what the registers say: orig_rax
    s64 ret;
    u64 siginfo[4];
};

BPF_RINGBUF_OUTPUT(events, 1024);
BPF_HASH(followed, u32, u32, 1024); // by tgid

static __always_inline struct event *reserve(u64 kind) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    struct event *event;

    if (!followed.lookup(&tgid))
        return NULL;
    event = events.ringbuf_reserve(sizeof(struct event));
    if (!event)
        return NULL;
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->tid = (u32)bpf_get_current_pid_tgid();
    return event;
}

// TP_PROTO(struct pt_regs *regs, long id)
RAW_TRACEPOINT_PROBE(sys_enter) {
    struct event *event = reserve(1);

    if (!event)
        return 0;
    event->id = ctx->args[1];
    events.ringbuf_submit(event, 0);
    return 0;
}

// TP_PROTO(struct pt_regs *regs, long ret); orig_rax is 15 words in (asm/ptrace.h)
RAW_TRACEPOINT_PROBE(sys_exit) {
    struct event *event = reserve(2);

    if (!event)
        return 0;
    bpf_probe_read_kernel(&event->id, 8, (void *)ctx->args[0] + 15 * 8);
    event->ret = ctx->args[1];
    events.ringbuf_submit(event, 0);
    return 0;
}

// TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
RAW_TRACEPOINT_PROBE(signal_generate) {
    struct event *event;

    if (ctx->args[0] != 31 || ctx->args[1] <= 2)
        return 0;
    event = reserve(3);
    if (!event)
        return 0;
    bpf_probe_read_kernel(event->siginfo, sizeof(event->siginfo), (void *)ctx->args[1]);
    events.ringbuf_submit(event, 0);
    return 0;
}

// TP_PROTO(struct task_struct *parent, struct task_struct *child): children are followed too
RAW_TRACEPOINT_PROBE(sched_process_fork) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32, child = 0, yes = 1;

    if (!followed.lookup(&tgid))
        return 0;
    bpf_probe_read_kernel(&child, sizeof(child), (void *)ctx->args[1] + OFFSET_task_struct_tgid);
    followed.update(&child, &yes);
    return 0;
}

RAW_TRACEPOINT_PROBE(sched_process_exit) {
    struct event *event = reserve(4);

    if (event)
        events.ringbuf_submit(event, 0);
    return 0;
}
