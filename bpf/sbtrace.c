/*
 * Counts every syscall of the target, one table per thread, with errors, latency and the
 * calls that seccomp blocked.
 *
 * Raw tracepoints only: they need neither tracefs nor kprobes. seccomp decides before
 * sys_enter fires (kernel/entry: syscall_trace_enter), so a blocked call shows as a
 * sys_exit without a sys_enter; counting at entry alone never sees it.
 *
 * A followed task has a lane: an array element found by the address of its registers, which
 * every sys_enter and sys_exit is given, so that no helper has to be called to find it, nor to
 * see that a task is not followed. Of two tasks that meet in a lane the second one is a guest
 * elsewhere: an index in task storage says where, which costs it a helper a side. Task storage
 * holds nothing else, since newer kernels allocate there without sleeping, 8 KiB at the most.
 *
 * Its slots lie in a table of its own, an element of the pool, whose index the lane has. The pool
 * is a map of maps, to which sbtrace adds chunks as threads become more: such an array costs a
 * few instructions a lookup, and memory for those threads alone that there are.
 *
 * Python enrols the launcher in task storage through its pidfd. A child is noted by its
 * parent at fork and takes the note up in its own context: there only is its address known.
 */
#include <asm/mman.h>

#include "records.h"

BPF_TASK_STORAGE(enrolled, struct enrolled);
BPF_F_TABLE("array", u32, struct thread, threads, LANES + TABLES, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct table, pool, CHUNK_TABLES, BPF_F_MMAPABLE);
BPF_ARRAY_OF_MAPS(chunks, "pool", CHUNKS);
BPF_STACK(spares, struct spare, TABLES);
BPF_F_TABLE("array", u32, struct pool_state, pool_state, 1, BPF_F_MMAPABLE);
BPF_TABLE("hash", u32, struct note, notes, 32768);
BPF_ARRAY(noted, u64, 1);
BPF_TABLE("hash", struct overflow_key, struct slot, overflow, 4096);
BPF_TABLE("hash", struct blocked_key, struct blocked_count, blocked, 4096);
BPF_ARRAY(losses, u64, LOSSES);
BPF_ARRAY(marks, u64, MARKS);
BPF_ARRAY(verdicts, u64, VSYSCALLS);
BPF_ARRAY(blank_slot, struct slot, 1);
BPF_PERCPU_ARRAY(scratches, struct scratch, SCRATCHES);
BPF_PERCPU_ARRAY(exec_scratch, struct exec_record, WALK_EXEC_AGAIN + 1);
BPF_ARRAY(written_bytes, u64, 1);
BPF_PERCPU_ARRAY(walks, struct walk, WALKS);
BPF_TABLE("hash", struct text_key, struct text_count, texts, 2048);
BPF_ARRAY(path_arguments_of, struct path_table, 1);
BPF_ARRAY(argument_specs, struct argument_table, 1);
BPF_TABLE("lru_hash", struct argument_key, u8, told_arguments, 4096);
BPF_TABLE("lru_hash", struct argument_set, u32, argument_sets, 2048);
BPF_PROG_ARRAY(tails, TAILS);
BPF_RINGBUF_OUTPUT(records, RING_PAGES);

#include "common.h"

#include "table.h"

#include "follow.h"

#include "calls.h"

#include "files.h"

#include "arguments.h"

#include "texts.h"

#include "blocked.h"

/* What only some runs need: a feature is a header with its maps and code, a macro of its name in
 * capitals, and hooks between #ifdef and #endif below. FEATURES of variant.py lists them. */
#ifdef LOGGING
#include "logging.h"
#endif

#include "vsyscall.h"

/* From Linux 7.0 on, the kernel skips a program that another task on this CPU was preempted in. So
 * those of rare events are attached twice there, the second one under a name with AGAIN: it does
 * what the first one would have done, and nothing where that has done it. Of the calls themselves,
 * what was skipped at one end is made good at the other. */
#define AGAIN(event) int on_##event##_again(struct bpf_raw_tracepoint_args *ctx)

static __always_inline void forked(struct bpf_raw_tracepoint_args *ctx) {
    struct thread *thread = followed(own_regs(bpf_get_current_task_btf()));
    void *child = (void *)ctx->args[1];
    u32 zero = 0;

    if (!thread)
        return;
    u32 tid = FIELD(u32, child, OFFSET_task_struct_pid);
    if (VALUE(PREEMPTIBLE) && notes.lookup(&tid))
        return;
    u32 tgid = FIELD(u32, child, OFFSET_task_struct_tgid);
    u64 now = bpf_ktime_get_ns();
    struct note note = {.start_ns = now};

    if (tid == tgid) {
        note.process_ns = now;
        note.parent_ns = thread->head.process_ns;
        note.image_ns = now;
        note.ppid = thread->head.pid;
    } else {
        note.process_ns = thread->head.process_ns;
        note.parent_ns = thread->head.parent_ns;
        note.image_ns = thread->head.image_ns;
        note.ppid = thread->head.ppid;
        note.image = thread->head.image;
    }
    if (notes.update(&tid, &note)) {
        lose(LOST_CHILDREN, 1);
        return;
    }
    u64 *pending = noted.lookup(&zero);
    if (pending)
        __sync_fetch_and_add(pending, 1);
}

/* TP_PROTO(struct task_struct *parent, struct task_struct *child), before the child runs. */
ON(sched_process_fork) {
    forked(ctx);
    return 0;
}

AGAIN(sched_process_fork) {
    forked(ctx);
    return 0;
}

/* In the new image, after the other threads are gone and the task has taken the leader's tid. */
static __always_inline void executed(struct bpf_raw_tracepoint_args *ctx, u32 program) {
    u32 execs = FIELD(u32, (void *)bpf_get_current_task(), OFFSET_task_struct_self_exec_id);
    struct task_struct *current = bpf_get_current_task_btf();
    u64 regs = own_regs(current), now = bpf_ktime_get_ns();
    struct thread *thread = followed(regs);

    if (!thread) {
        /* The launcher becomes the target: here its figures begin, with this execve. */
        struct enrolled *launcher = enrolled.task_storage_get(current, 0, 0);

        if (!launcher || !launcher->armed)
            return;
        launcher->armed = 0;
        thread = follow(current, regs, now);
        if (!thread)
            return;
        thread->head.process_ns = now;
        thread->head.thread_ns = now;
        thread->head.call_ns = now;
        thread->head.call_nr = NR_EXECVE;
        thread->head.pid = own_pid(&thread->head.tid);
        mark(MARK_FILTERS,
             FIELD(u32, (void *)bpf_get_current_task(), OFFSET_task_struct_seccomp_filter_count));
        note_reaper();
        write_start(thread);
    } else if (thread->head.execs == execs) {
        return; /* the other program has done it */
    } else {
        /* The execve that succeeded returns in the new image: it is counted there. */
        u64 call_ns = thread->head.call_ns;

        thread->head.call_ns = 0;
        write_out(thread, END_EXEC, now);
        thread->head.call_ns = call_ns;
        thread->head.image++;
        thread->head.pid = own_pid(&thread->head.tid);
        give_further(thread);
        begin_image(thread, now);
    }
    thread->head.execs = execs;
    write_exec(thread, (void *)ctx->args[2], now, program);
    note_program(thread, program);
    tails.call(ctx, TAIL_WALK_PATH);
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) */
ON(sched_process_exec) {
    executed(ctx, WALK_EXEC);
    return 0;
}

AGAIN(sched_process_exec) {
    executed(ctx, WALK_EXEC_AGAIN);
    return 0;
}

/* TP_PROTO(struct pt_regs *regs, long id) */
ON(sys_enter) {
    struct thread *thread = followed(ctx->args[0]);
    u32 nr = ctx->args[1];

    if (VALUE(PREEMPTIBLE)) {
        if (!thread)
            thread = adopt(ctx->args[0]);
        else if (UNLIKELY(thread->head.call_ns != 0))
            returned_unseen(thread);
    }
    if (!thread)
        return 0;
    thread->head.call_nr = nr;
    thread->head.call_abi = abi_of(bpf_get_current_task_btf(), nr);
#ifdef LOGGING
    record_logged(ctx, thread, (void *)ctx->args[0]);
#endif
    thread->head.call_ns = bpf_ktime_get_ns();
#ifdef LOGGING
    thread->head.working = SCRATCH_ENTER;
    tails.call(ctx, TAIL_NOTE_TEXTS);
#endif
    return 0;
}

/* TP_PROTO(struct pt_regs *regs, long ret) */
ON(sys_exit) {
    void *regs = (void *)ctx->args[0];
    struct thread *thread = followed((u64)regs);

    if (!thread) {
        /* A child's first event is the exit of its clone, with 0: no call of its own. */
        if (result(ctx) == 0)
            adopt((u64)regs);
        return 0;
    }
    if (VALUE(PREEMPTIBLE) && UNLIKELY(may_be_error(ctx)) && thread->head.call_ns != 0 &&
        is_another_call(thread, regs))
        returned_unseen(thread);
    u64 start = thread->head.call_ns;
    if (UNLIKELY(start == 0)) {
        if (VALUE(PREEMPTIBLE) && count_without_start(ctx, thread, regs))
            return 0;
        exit_without_entry(ctx, thread, regs);
        thread->head.working = SCRATCH_EXIT;
        tails.call(ctx, TAIL_NOTE_TEXTS);
        return 0;
    }
    if (UNLIKELY(may_be_error(ctx)) && was_cut_short(thread, ctx)) {
        if (is_killed(bpf_get_current_task_btf()))
            return 0; /* it stays in flight, as the program sees it: unfinished */
        note_cut(thread, ctx);
    }
    /* Cleared here, or the next blocked call would inherit it. */
    thread->head.call_ns = 0;
    returned(thread, start, ctx);
    if (UNLIKELY(thread->head.noting))
        tails.call(ctx, TAIL_ARGUMENTS);
    return 0;
}

/* seccomp forces SIGSYS on the current task; a death is told by SIGCHLD. */
static __always_inline void signalled(struct bpf_raw_tracepoint_args *ctx, u32 program) {
    struct thread *thread;
    void *info = (void *)ctx->args[1];

    if ((u64)info <= 2)
        return;
    if ((int)ctx->args[0] == SIGCHLD) {
        note_death((void *)ctx->args[2], info);
        return;
    }
    if ((int)ctx->args[0] != SIGSYS || ctx->args[2] != bpf_get_current_task())
        return;
    u64 regs = own_regs(bpf_get_current_task_btf());
    thread = followed(regs);
    if (!thread)
        return;
    note_sigsys(ctx, thread, info, (void *)regs, program);
    thread->head.working = program;
    tails.call(ctx, TAIL_NOTE_TEXTS);
}

/* TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group,
 * int result) */
ON(signal_generate) {
    signalled(ctx, SCRATCH_SIGNAL);
    return 0;
}

AGAIN(signal_generate) {
    signalled(ctx, SCRATCH_SIGNAL_AGAIN);
    return 0;
}

/* ---- ends ----------------------------------------------------------------------------- */

/* In the dying task. */
static __always_inline void ended(struct bpf_raw_tracepoint_args *ctx, u32 program) {
    struct task_struct *current = bpf_get_current_task_btf();
    u64 regs = own_regs(current);
    struct thread *thread = followed(regs);
    void *task = (void *)bpf_get_current_task();

    if (!thread)
        thread = adopt(regs); /* killed before it ever ran */
    if (!thread)
        return;
    void *signal = FIELD(void *, task, OFFSET_task_struct_signal);
    u32 flags = 0;

    thread->head.exit_code = FIELD(s32, task, OFFSET_task_struct_exit_code);
    /* The task's own end comes first: the kernel sets SIGNAL_GROUP_EXIT itself as soon as the
     * last thread ends (kernel/exit.c: synchronize_group_exit). */
    struct scratch *work = scratch(program);
    if (work)
        work->row_ns = 0;
    count_if_ended_by_seccomp(ctx, thread, (void *)regs, program);
    if (UNLIKELY(thread->head.flags & THREAD_CUT_SHORT))
        take_back_if_inside(thread, (void *)regs, work);
    if (group_flags(task) & SIGNAL_GROUP_EXIT) {
        flags |= THREAD_GROUP_EXIT;
        thread->head.exit_code = FIELD(s32, signal, OFFSET_signal_struct_group_exit_code);
    }
    if (FIELD(u32, signal, OFFSET_signal_struct_live) == 0)
        flags |= THREAD_LAST;
    thread->head.flags = flags | (thread->head.flags & THREAD_KILLED_HERE);
    u64 now = bpf_ktime_get_ns();
    mark(MARK_LAST_EXIT, now);
    write_out(thread, END_EXIT, now);
    leave(current, thread, regs);
    if (work && work->row_ns)
        note_texts(work);
}

/* TP_PROTO(struct task_struct *p [, bool group_dead since 6.16]) */
ON(sched_process_exit) {
    ended(ctx, SCRATCH_END);
    return 0;
}

AGAIN(sched_process_exit) {
    ended(ctx, SCRATCH_END_AGAIN);
    return 0;
}

/* ---- what others end in ------------------------------------------------------------------ */

#define STEPS 2

/* The way up from a file, a few steps at a time: a tail call begins anew what the verifier has to
 * walk. After the 33 that the kernel allows, the path stays a part. */
ON(walk_path) {
    struct thread *thread = followed(own_regs(bpf_get_current_task_btf()));

    if (!thread)
        return 0;
    u32 program = thread->head.walking;
    struct walk *walk = walks.lookup(&program);

    if (!walk)
        return 0;
    if (walk->file)
        begin_walk(walk);
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        if (!*(volatile u64 *)&walk->done)
            walk->done = climb(walk);
    }
    if (!*(volatile u64 *)&walk->done)
        tails.call(ctx, TAIL_WALK_PATH);
    write_file(walk);
    return 0;
}

/* After a blocked or logged call that has a row. */
ON(note_texts) {
    struct thread *thread = followed(own_regs(bpf_get_current_task_btf()));

    if (!thread)
        return 0;
    struct scratch *work = scratch(thread->head.working);

    if (!work || work->row_ns == 0)
        return 0;
    note_texts(work);
    work->row_ns = 0;
    return 0;
}

/* After a call of a few that are told apart by their arguments. */
ON(note_arguments) {
    void *regs = (void *)ctx->args[0];
    struct thread *thread = followed((u64)regs);
    struct scratch *work = scratch(SCRATCH_EXIT);

    if (!thread || !work)
        return 0;
    u32 spec = thread->head.noting;
    thread->head.noting = 0;
    bpf_probe_read_kernel(&work->regs, sizeof(work->regs), regs);
    arguments(&work->regs, thread->head.call_abi, regs, work->args);
    note_arguments(thread, work, spec);
    if (thread->head.call_nr == NR_EXEC_MAP && thread->head.call_abi == ABI_NATIVE &&
        result(ctx) > 0 && note_map(thread, work->args, result(ctx)))
        tails.call(ctx, TAIL_WALK_PATH);
    return 0;
}
