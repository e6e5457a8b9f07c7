/*
 * Counts every syscall of the target, one table per thread, with errors, latency and the
 * calls that seccomp refused.
 *
 * Raw tracepoints only: they need neither tracefs nor kprobes. seccomp decides before
 * sys_enter fires (kernel/entry: syscall_trace_enter), so a refused call shows as a
 * sys_exit without a sys_enter; counting at entry alone never sees it.
 *
 * A followed task has its table in a lane: an array element found by the address of its
 * registers, which every sys_enter and sys_exit is given, so that no helper has to be called
 * to find it, nor to see that a task is not followed. Where two tasks would share a lane, the
 * second one has its table in task storage, which costs it a helper a side.
 *
 * Python enrols the launcher in task storage through its pidfd. A child is noted by its
 * parent at fork and takes the note up in its own context: there only is its address known.
 */
#include <asm/mman.h>

#include "records.h"

BPF_TASK_STORAGE(threads, struct thread);
BPF_F_TABLE("array", u32, struct thread, lanes, LANES, BPF_F_MMAPABLE);
BPF_TABLE("hash", u32, struct note, notes, 32768);
BPF_ARRAY(noted, u64, 1);
BPF_TABLE("hash", struct overflow_key, struct slot, overflow, 4096);
BPF_TABLE("hash", struct refused_key, struct refused_count, refused, 4096);
#ifdef LOGGING
BPF_ARRAY(logged, u8, DIRECT_NRS);
#endif
BPF_ARRAY(losses, u64, LOSSES);
BPF_PERCPU_ARRAY(scratches, struct scratch, 1);
BPF_PERCPU_ARRAY(exec_scratch, struct exec_record, 1);
BPF_ARRAY(written_bytes, u64, 1);
BPF_RINGBUF_OUTPUT(records, RING_PAGES);

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define ON(event) int on_##event(struct bpf_raw_tracepoint_args *ctx)

#define FIELD(type, base, offset)                                                                  \
    ({                                                                                             \
        type value_ = 0;                                                                           \
        bpf_probe_read_kernel(&value_, sizeof(value_), (char *)(base) + (offset));                 \
        value_;                                                                                    \
    })

/* Keeps a value in one register, so that the verifier sees its bound where it is used. */
#define BOUNDED(value) asm volatile("" : "+r"(value))

/* A loop that stays one: unrolled memsets made half of the compiler's work. */
static __always_inline void clear(void *start, u32 bytes) {
    u64 *words = start;

#pragma clang loop unroll(disable)
    for (u32 i = 0; i < bytes / sizeof(u64); i++) {
        words[i] = 0;
        asm volatile("" ::: "memory");
    }
}

static __always_inline void lose(int what, u64 count) {
    u64 *cell = losses.lookup(&what);

    if (cell)
        __sync_fetch_and_add(cell, count);
}

/* Of this CPU: raw tracepoints run with preemption off. */
static __always_inline struct scratch *scratch(void) {
    u32 zero = 0;

    return scratches.lookup(&zero);
}

static __always_inline struct thread *lane_of(u64 regs) {
    /* Kernel stacks are aligned to at least 8 KiB: what differs is above. */
    u32 lane = ((u32)(regs >> 13) * 2654435761u) >> (32 - LANE_BITS);

    return lanes.lookup(&lane);
}

/* The table of the current task, whose registers lie at `regs`; NULL if it is not followed. */
static __always_inline struct thread *followed(u64 regs) {
    struct thread *lane = lane_of(regs);

    if (!lane)
        return NULL;
    if (LIKELY(lane->owner == regs))
        return lane;
    if (LIKELY(lane->guests == 0))
        return NULL;
    return threads.task_storage_get(bpf_get_current_task_btf(), 0, 0);
}

/* Where the registers of the current task lie. Through memory, since the verifier lets no
 * pointer be counted with. */
static __always_inline u64 own_regs(struct task_struct *current) {
    struct scratch *work = scratch();

    if (!work)
        return 0;
    work->address = (u64)bpf_task_pt_regs(current);
    return *(volatile u64 *)&work->address;
}

/* sbtrace drains the ring buffer on its own clock, and is woken early only when a quarter has
 * been written since: a storm of short processes must not wake it once for each. */
static __always_inline u64 wakeup(u64 bytes) {
    u32 zero = 0;
    u64 *written = written_bytes.lookup(&zero);

    if (!written)
        return 0;
    __sync_fetch_and_add(written, bytes);
    if (*written < RING_PAGES * PAGE_SIZE / 4)
        return BPF_RB_NO_WAKEUP;
    *written = 0;
    return BPF_RB_FORCE_WAKEUP;
}

/* ---- the table of one thread ---------------------------------------------------------- */

static __always_inline struct slot *overflow_slot(struct head *head, u32 abi, u32 nr,
                                                  u16 errno_blocked) {
    struct overflow_key key = {};
    struct slot *slot;

    key.process_ns = head->process_ns;
    key.thread_ns = head->thread_ns;
    key.pid = head->pid;
    key.tid = head->tid;
    key.image = head->image;
    key.nr = nr;
    key.abi = abi;
    key.errno_blocked = errno_blocked;
    slot = overflow.lookup(&key);
    if (slot)
        return slot;
    struct scratch *work = scratch();
    if (!work)
        return NULL;
    clear(&work->slot, sizeof(work->slot));
    work->slot.nr = nr;
    work->slot.abi = abi;
    work->slot.min_ns = ~0ULL;
    overflow.update(&key, &work->slot);
    return overflow.lookup(&key);
}

/* Where thread->direct has the slot of a number below DIRECT_NRS. */
static __always_inline u64 direct_index(u32 abi, u32 nr) {
    u64 index = nr + (abi == ABI_COMPAT ? DIRECT_NRS : 0);

    BOUNDED(index);
    return index % (2 * DIRECT_NRS);
}

static __always_inline struct slot *new_slot(struct thread *thread, u32 abi, u32 nr) {
    u64 used = thread->head.slots;

    BOUNDED(used);
    /* A number beyond the direct tables is x32's or nonsense: rare, and the hash has room. */
    if (used >= SLOTS || nr >= DIRECT_NRS)
        return overflow_slot(&thread->head, abi, nr, 0);
    thread->direct[direct_index(abi, nr)] = used + 1;
    struct slot *slot = &thread->slots[used];
    clear(slot, sizeof(*slot)); /* an image before this one may have used it */
    slot->nr = nr;
    slot->abi = abi;
    slot->min_ns = ~0ULL;
    thread->head.slots = used + 1;
    return slot;
}

static __always_inline struct slot *slot_of(struct thread *thread, u32 abi, u32 nr) {
    u64 index = 0;

    if (nr < DIRECT_NRS)
        index = thread->direct[direct_index(abi, nr)];
    index--;
    BOUNDED(index);
    if (UNLIKELY(index >= SLOTS)) /* none yet: 0 - 1 */
        return new_slot(thread, abi, nr);
    return &thread->slots[index];
}

static __always_inline void count_errno(struct thread *thread, u32 abi, u32 nr, u16 errno_blocked) {
    u64 at = nr * 7 + errno_blocked;

    /* Open addressing with a short run of tries: no loop that the verifier has to walk. */
#pragma unroll
    for (int try = 0; try < ERRNO_TRIES; try++) {
        struct errno_slot *entry = &thread->errnos[(at + try) % ERRNO_SLOTS];

        if (entry->count == 0) {
            entry->nr = nr;
            entry->abi = abi;
            entry->errno_blocked = errno_blocked;
        }
        if (entry->nr == nr && entry->abi == abi && entry->errno_blocked == errno_blocked) {
            entry->count++;
            return;
        }
    }
    struct slot *slot = overflow_slot(&thread->head, abi, nr, errno_blocked);
    if (slot)
        slot->errors++;
    else
        lose(LOST_ERRNOS, 1);
}

/* floor(log2(ns)) by halves, moved so that bucket 0 ends at 2^HISTOGRAM_FIRST_SHIFT. */
static __always_inline u32 bucket_of(u64 ns) {
    u64 v = ns >> (HISTOGRAM_FIRST_SHIFT - 1);
    u32 r = 0;

    if (v >> 32)
        return HISTOGRAM_BUCKETS - 1;
    if (v >= 1 << 16) {
        v >>= 16;
        r += 16;
    }
    if (v >= 1 << 8) {
        v >>= 8;
        r += 8;
    }
    if (v >= 1 << 4) {
        v >>= 4;
        r += 4;
    }
    if (v >= 1 << 2) {
        v >>= 2;
        r += 2;
    }
    if (v >= 1 << 1)
        r += 1;
    return r < HISTOGRAM_BUCKETS ? r : HISTOGRAM_BUCKETS - 1;
}

/* Begins an image: the table is empty, a call in flight (the execve) stays in flight. */
static __always_inline void clear_table(struct thread *thread, u64 now) {
    clear(thread->direct, sizeof(thread->direct));
    clear(thread->errnos, sizeof(thread->errnos));
    thread->head.slots = 0;
    thread->head.returned = 0;
    thread->head.image_ns = now;
}

static __always_inline u64 table_bytes(struct thread *thread) {
    u64 slots = thread->head.slots;

    BOUNDED(slots);
    if (slots > SLOTS)
        slots = SLOTS;
    return sizeof(struct head) + sizeof(thread->errnos) + slots * sizeof(struct slot);
}

static __always_inline void write_out(struct thread *thread, u32 end, u64 now) {
    thread->head.kind = RECORD_THREAD;
    thread->head.end = end;
    thread->head.end_ns = now;
    bpf_get_current_comm(thread->head.comm, sizeof(thread->head.comm));
    u64 bytes = table_bytes(thread);
    if (records.ringbuf_output(&thread->head, bytes, wakeup(bytes))) {
        lose(LOST_RECORDS, 1);
        lose(LOST_CALLS, thread->head.returned + (thread->head.call_ns != 0));
    }
}

/* ---- following ------------------------------------------------------------------------ */

/* PIDs as sbtrace sees them: its own PID namespace, given by the loader. */
static __always_inline u32 own_pid(u32 *tid) {
    struct bpf_pidns_info info = {};

    if (bpf_get_ns_current_pid_tgid(PIDNS_DEV, PIDNS_INO, &info, sizeof(info)) == 0) {
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
    if (records.ringbuf_output(&record, sizeof(record), wakeup(sizeof(record))))
        lose(LOST_EVENTS, 1);
}

/* Begins to follow the current task: with its lane, or where that is taken in task storage. */
static __always_inline struct thread *follow(struct task_struct *current, u64 regs, u64 now) {
    struct thread *lane = lane_of(regs), *thread;

    if (!lane)
        return NULL;
    __sync_fetch_and_add(&lane->claims, 1);
    if (*(volatile u64 *)&lane->claims == 1) {
        /* Whoever came later has seen 2, so it is ours alone. */
        thread = lane;
        thread->owner = regs;
    } else {
        __sync_fetch_and_add(&lane->claims, -1);
        thread = threads.task_storage_get(current, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!thread) {
            lose(LOST_THREADS, 1);
            return NULL;
        }
        __sync_fetch_and_add(&lane->guests, 1);
    }
    clear(&thread->head, sizeof(thread->head));
    clear_table(thread, now);
    return thread;
}

/* Ends following: the lane is free for the next task. */
static __always_inline void leave(struct thread *thread, u64 regs) {
    struct thread *lane = lane_of(regs);

    if (!lane)
        return;
    if (thread->owner == regs) {
        thread->owner = 0;
        __sync_fetch_and_add(&lane->claims, -1);
    } else {
        thread->head.flags |= THREAD_ARMED; /* a snapshot must not show it again */
        __sync_fetch_and_add(&lane->guests, -1);
    }
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

/* TP_PROTO(struct task_struct *parent, struct task_struct *child), before the child runs. */
ON(sched_process_fork) {
    struct thread *thread = followed(own_regs(bpf_get_current_task_btf()));
    void *child = (void *)ctx->args[1];
    u32 zero = 0;

    if (!thread || thread->head.flags & THREAD_ARMED)
        return 0;
    u32 tid = FIELD(u32, child, OFFSET_task_struct_pid);
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
        return 0;
    }
    u64 *pending = noted.lookup(&zero);
    if (pending)
        __sync_fetch_and_add(pending, 1);
    return 0;
}

static __always_inline void write_exec(struct thread *thread, void *bprm, u64 now) {
    u32 zero = 0;
    struct exec_record *record = exec_scratch.lookup(&zero);
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
    record->tid = thread->head.tid;
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

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm), in the new
 * image, after the other threads are gone and p has taken the leader's tid. */
ON(sched_process_exec) {
    struct task_struct *current = bpf_get_current_task_btf();
    u64 regs = own_regs(current), now = bpf_ktime_get_ns();
    struct thread *thread = followed(regs);

    if (!thread || thread->head.flags & THREAD_ARMED) {
        /* The launcher becomes the target: here its figures begin, with this execve. */
        thread = threads.task_storage_get(current, 0, 0);
        if (!thread || !(thread->head.flags & THREAD_ARMED))
            return 0;
        thread = follow(current, regs, now);
        if (!thread)
            return 0;
        thread->head.process_ns = now;
        thread->head.thread_ns = now;
        thread->head.call_ns = now;
        thread->head.call_nr = NR_EXECVE;
        thread->head.pid = own_pid(&thread->head.tid);
        write_start(thread);
    } else {
        /* The execve that succeeded returns in the new image: it is counted there. */
        u64 call_ns = thread->head.call_ns;

        thread->head.call_ns = 0;
        write_out(thread, END_EXEC, now);
        thread->head.call_ns = call_ns;
        thread->head.image++;
        thread->head.pid = own_pid(&thread->head.tid);
        clear_table(thread, now);
    }
    write_exec(thread, (void *)ctx->args[2], now);
    return 0;
}

/* ---- the calls ------------------------------------------------------------------------ */

#define SIGKILL_BIT (1u << (9 - 1))

/* Whether this thread will never see user space again: the kernel gives SIGKILL to each
 * thread of a process that is ended (complete_signal, zap_other_threads). */
static __always_inline bool is_killed(struct task_struct *task) {
    return *(u32 *)((char *)task + OFFSET_task_struct_pending_signal) & SIGKILL_BIT;
}

#define EINTR                 4
#define ERESTARTSYS           512 /* include/linux/errno.h */
#define ERESTART_RESTARTBLOCK 516

/* Whether a signal cut the call short. One that came to its end did return, also if that end
 * was deadly: write to a broken pipe, kill of oneself. */
static __always_inline bool was_cut_short(long ret) {
    return ret == -EINTR || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

static __always_inline void returned(struct thread *thread, u64 start, long ret) {
    /* rt_sigreturn's exit carries the number -1, so it is taken from the entry. */
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    u64 ns = bpf_ktime_get_ns() - start;
    struct slot *slot = slot_of(thread, abi, nr);

    thread->head.returned++;
    if (UNLIKELY(!slot)) {
        lose(LOST_SLOTS, 1);
        return;
    }
    slot->total_ns += ns;
    if (ns < slot->min_ns)
        slot->min_ns = ns;
    if (ns > slot->max_ns)
        slot->max_ns = ns;
    u32 bucket = bucket_of(ns);
    if (bucket < HISTOGRAM_BUCKETS)
        slot->histogram[bucket]++;
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
    void *file = FIELD(void *, array, args[4] * sizeof(void *));
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

static __always_inline void write_refused(void *ctx, struct scratch *work, u64 now) {
    struct refused_record *record = records.ringbuf_reserve(sizeof(struct refused_record));
    void *task = (void *)bpf_get_current_task();

    if (!record) {
        lose(LOST_STACKS, 1);
        return;
    }
    void *mm = FIELD(void *, task, OFFSET_task_struct_mm);
    record->kind = RECORD_REFUSED;
    record->at_ns = now;
    record->key = work->refused;
    record->regs = work->regs;
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
    u32 nr = refused_nr(&work->regs, kernel_regs);
    u32 abi = abi_of(bpf_get_current_task_btf(), nr);

    slot = slot_of(thread, abi, nr);
    if (slot)
        slot->blocked++;
    else
        lose(LOST_SLOTS, 1);
    if (how == REFUSED_RETURN && ret < 0 && ret >= -4095)
        count_errno(thread, abi, nr, -ret | 0x8000);
    work->refused.nr = nr;
    work->refused.abi = abi;
    work->refused.how = how;
    work->refused.ret = how == REFUSED_RETURN ? ret : 0;
    record_refused(ctx, thread, kernel_regs, work);
    thread->head.sigsys = 0;
}

/* TP_PROTO(struct pt_regs *regs, long id) */
ON(sys_enter) {
    struct thread *thread = followed(ctx->args[0]);
    u32 nr = ctx->args[1];

    if (!thread)
        return 0;
    thread->head.call_nr = nr;
    thread->head.call_abi = abi_of(bpf_get_current_task_btf(), nr);
#ifdef LOGGING
    record_logged(ctx, thread, (void *)ctx->args[0]);
#endif
    thread->head.call_ns = bpf_ktime_get_ns();
    return 0;
}

/* TP_PROTO(struct pt_regs *regs, long ret) */
ON(sys_exit) {
    struct thread *thread = followed(ctx->args[0]);
    long ret = ctx->args[1];

    if (!thread) {
        /* A child's first event is the exit of its clone, with 0: no call of its own. */
        if (ret == 0)
            adopt(ctx->args[0]);
        return 0;
    }
    u64 start = thread->head.call_ns;
    if (UNLIKELY(start == 0)) {
        count_refused(ctx, thread, (void *)ctx->args[0],
                      thread->head.sigsys ? REFUSED_SIGSYS : REFUSED_RETURN, ret);
        return 0;
    }
    if (UNLIKELY(was_cut_short(ret)) && is_killed(bpf_get_current_task_btf()))
        return 0; /* it stays in flight, as the program sees it: unfinished */
    /* Cleared here, or the next refused call would inherit it. */
    thread->head.call_ns = 0;
    returned(thread, start, ret);
    if (UNLIKELY(thread->head.call_nr == NR_EXEC_MAP) && ret > 0 &&
        thread->head.call_abi == ABI_NATIVE)
        write_map(thread, (void *)ctx->args[0], ret);
    return 0;
}

#define SIGSYS      31
#define SYS_SECCOMP 1

/* TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group,
 * int result). seccomp forces SIGSYS on the current task; offsets are those of siginfo_t. */
ON(signal_generate) {
    struct thread *thread;
    void *info = (void *)ctx->args[1];

    if ((int)ctx->args[0] != SIGSYS || (u64)info <= 2)
        return 0;
    thread = followed(own_regs(bpf_get_current_task_btf()));
    if (!thread || FIELD(s32, info, 8) != SYS_SECCOMP)
        return 0;
    thread->head.sigsys = 1 + (FIELD(s32, info, 4) & 0xffff);
    return 0;
}

/* ---- ends ----------------------------------------------------------------------------- */

#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */

/* TP_PROTO(struct task_struct *p [, bool group_dead since 6.16]): in the dying task. */
ON(sched_process_exit) {
    struct task_struct *current = bpf_get_current_task_btf();
    u64 regs = own_regs(current);
    struct thread *thread = followed(regs);
    void *task = (void *)bpf_get_current_task();

    if (!thread)
        thread = adopt(regs); /* killed before it ever ran */
    if (!thread || thread->head.flags & THREAD_ARMED)
        return 0;
    void *signal = FIELD(void *, task, OFFSET_task_struct_signal);
    u32 flags = 0;

    thread->head.exit_code = FIELD(s32, task, OFFSET_task_struct_exit_code);
    if (FIELD(u32, signal, OFFSET_signal_struct_flags) & SIGNAL_GROUP_EXIT) {
        flags |= THREAD_GROUP_EXIT;
        thread->head.exit_code = FIELD(s32, signal, OFFSET_signal_struct_group_exit_code);
    } else if (thread->head.exit_code == SIGSYS && thread->head.call_ns == 0) {
        /* kernel/seccomp.c: KILL_THREAD beside live threads is do_exit(SIGSYS), which
         * no sys_exit tells; a signal from outside would end the whole group. */
        flags |= THREAD_KILLED_HERE;
        count_refused(ctx, thread, (void *)regs, REFUSED_EXIT, 0);
    }
    if (FIELD(u32, signal, OFFSET_signal_struct_live) == 0)
        flags |= THREAD_LAST;
    thread->head.flags = flags;
    write_out(thread, END_EXIT, bpf_ktime_get_ns());
    leave(thread, regs);
    return 0;
}

/* ---- snapshots ------------------------------------------------------------------------ */

/* The context of a task iterator: include/linux/bpf.h, kernel/bpf/task_iter.c. */
struct bpf_iter_meta {
    struct seq_file *seq;
    u64 session_id;
    u64 seq_num;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

/* Reading this iterator's file gives the tables in task storage as they stand; those in
 * lanes are read through the map's own memory. */
BPF_ITER(task) {
    struct seq_file *seq = ctx->meta->seq;
    struct task_struct *task = ctx->task;
    struct thread *thread;

    if (!task)
        return 0;
    thread = threads.task_storage_get(task, 0, 0);
    if (!thread || thread->head.flags & THREAD_ARMED)
        return 0;
    bpf_seq_write(seq, &thread->head, table_bytes(thread));
    return 0;
}
