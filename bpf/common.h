/* What every part of the program uses: bounded access, losses, finding a task and its table. */
#ifndef SBTRACE_COMMON_H
#define SBTRACE_COMMON_H

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define ON(event) int on_##event(struct bpf_raw_tracepoint_args *ctx)

#define READ(type, address)                                                                        \
    ({                                                                                             \
        type value_ = 0;                                                                           \
        bpf_probe_read_kernel(&value_, sizeof(value_), address);                                   \
        value_;                                                                                    \
    })
#define FIELD(type, base, offset) READ(type, AT(base, offset))

/* Keeps a value in one register, so that the verifier sees its bound where it is used. */
#define BOUNDED(value) asm volatile("" : "+r"(value))

/* In one helper call: the verifier walks a loop turn by turn, and an unrolled one takes long to
 * compile. Nothing can be read at address 0, and a helper must clear what it could not fill
 * (include/linux/bpf.h: ARG_PTR_TO_UNINIT_MEM; kernel/trace/bpf_trace.c). */
static __always_inline void clear(void *start, u32 bytes) {
    bpf_probe_read_kernel(start, bytes, NULL);
}

static __always_inline void lose(int what, u64 count) {
    u64 *cell = losses.lookup(&what);

    if (cell)
        __sync_fetch_and_add(cell, count);
}

static __always_inline void add_to_mark(int what) {
    u64 *cell = marks.lookup(&what);

    if (cell)
        __sync_fetch_and_add(cell, 1);
}

static __always_inline void mark(int what, u64 value) {
    u64 *cell = marks.lookup(&what);

    if (cell)
        *cell = value;
}

/* Of this CPU and of one program. From Linux 7.0 on another task may run on this CPU before a
 * program has come to its end, though not that program: the kernel skips it, and moves nobody in
 * it to another CPU (kernel/trace/bpf_trace.c: __bpf_trace_run). So what no two programs share,
 * no two tasks share. */
static __always_inline struct scratch *scratch(u32 program) {
    return scratches.lookup(&program);
}

static __always_inline struct thread *lane_of(u64 regs) {
    /* Kernel stacks are aligned to at least 8 KiB: what differs is above. */
    u32 lane = ((u32)(regs >> 13) * 2654435761u) >> (32 - LANE_BITS);

    return threads.lookup(&lane);
}

/* The current task, whose registers lie at `regs`; NULL if it is not followed. */
static __always_inline struct thread *followed(u64 regs) {
    struct thread *lane = lane_of(regs);
    struct enrolled *guest;

    if (!lane)
        return NULL;
    if (LIKELY(lane->owner == regs))
        return lane;
    if (LIKELY(lane->guests == 0))
        return NULL;
    guest = enrolled.task_storage_get(bpf_get_current_task_btf(), 0, 0);
    if (!guest || guest->thread == 0)
        return NULL;
    u32 index = guest->thread;
    return threads.lookup(&index);
}

/* An element of the pool. Both lookups are a few instructions in place, not calls. */
static __always_inline struct table *element(u32 index) {
    u32 chunk = index >> CHUNK_BITS, at = index & (CHUNK_TABLES - 1);
    void *tables = chunks.lookup(&chunk);

    return tables ? bpf_map_lookup_elem(tables, &at) : NULL;
}

/* Where the registers of the current task lie. Through memory, since the verifier lets no
 * pointer be counted with. */
static __always_inline u64 own_regs(struct task_struct *current) {
    u64 address = (u64)bpf_task_pt_regs(current);

    asm volatile("" : : "r"(&address) : "memory");
    return READ(u64, &address);
}

/* sbtrace drains the ring buffer on its own clock, and is woken early only when an eighth has
 * been written since: a storm of short processes must not wake it once for each. */
static __always_inline u64 wakeup(u64 bytes) {
    u32 zero = 0;
    u64 *written = written_bytes.lookup(&zero);

    if (!written)
        return 0;
    __sync_fetch_and_add(written, bytes);
    if (*written < RING_PAGES * PAGE_SIZE / 8)
        return BPF_RB_NO_WAKEUP;
    *written = 0;
    return BPF_RB_FORCE_WAKEUP;
}

#endif
