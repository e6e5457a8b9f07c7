/* The table of one thread: its slots, its errnos, and how it is written out. */
#ifndef SBTRACE_TABLE_H
#define SBTRACE_TABLE_H

static __always_inline struct slot *overflow_slot(struct head *head, u32 abi, u32 nr,
                                                  u16 errno_blocked) {
    struct overflow_key key = {};

    key.process_ns = head->process_ns;
    key.thread_ns = head->thread_ns;
    key.pid = head->pid;
    key.tid = head->tid;
    key.image = head->image;
    key.nr = nr;
    key.abi = abi;
    key.errno_blocked = errno_blocked;
    if (!overflow.lookup(&key)) {
        struct scratch *work = scratch();

        if (!work)
            return NULL;
        clear(&work->slot, sizeof(work->slot));
        work->slot.nr = nr;
        work->slot.abi = abi;
        work->slot.min_ns = ~0ULL;
        overflow.update(&key, &work->slot);
    }
    /* Looked up again also where it was there: from here on there is one path to verify. */
    return overflow.lookup(&key);
}

/* Where thread->direct has the slot of a number below DIRECT_NRS. */
static __always_inline u64 direct_index(u32 abi, u32 nr) {
    u64 index = nr + (abi & ABI_COMPAT) * DIRECT_NRS; /* ABI_X32 has no such numbers */

    BOUNDED(index);
    return index % (2 * DIRECT_NRS);
}

/* Returns the index of a new slot, SLOTS if it has to be in `overflow`. */
static __always_inline u64 begin_slot(struct thread *thread, u32 abi, u32 nr) {
    u64 used = thread->head.slots;

    BOUNDED(used);
    /* A number beyond the direct tables is x32's or nonsense: rare, and the hash has room. */
    if (used >= SLOTS || nr >= DIRECT_NRS)
        return SLOTS;
    thread->direct[direct_index(abi, nr)] = used + 1;
    struct slot *slot = &thread->slots[used];
    clear(slot, sizeof(*slot)); /* an image before this one may have used it */
    slot->nr = nr;
    slot->abi = abi;
    slot->min_ns = ~0ULL;
    thread->head.slots = used + 1;
    return used;
}

static __always_inline bool is_traced(void *task) {
    return FIELD(u32, task, OFFSET_task_struct_ptrace);
}

/* Whether a tracer had the call skipped, or may have: it writes this number for that. */
static __always_inline bool is_skipped(u32 nr) {
    return nr == (u32)-1 && is_traced((void *)bpf_get_current_task());
}

/* NULL where `overflow` has no room, and for what is no call. */
static __always_inline struct slot *slot_of(struct thread *thread, u32 abi, u32 nr) {
    u64 index = 0;

    if (nr < DIRECT_NRS)
        index = thread->direct[direct_index(abi, nr)];
    index--;
    BOUNDED(index);
    if (UNLIKELY(index >= SLOTS)) { /* none yet: 0 - 1 */
        index = begin_slot(thread, abi, nr);
        if (index >= SLOTS)
            return is_skipped(nr) ? NULL : overflow_slot(&thread->head, abi, nr, 0);
    }
    return &thread->slots[index];
}

/* The key as one number. By way of the stack, where the verifier forgets what it knew of its
 * parts: what comes after is one path, whatever they are. */
static __always_inline u64 errno_key(u32 abi, u32 nr, u16 errno_blocked) {
    struct errno_slot slot = {.key = {nr, abi, errno_blocked}};

    asm volatile("" : : "r"(&slot) : "memory");
    return slot.whole;
}

static __always_inline void count_errno(struct thread *thread, u32 abi, u32 nr, u16 errno_blocked) {
    u64 key = errno_key(abi, nr, errno_blocked);
    u64 at = key * 0x9e3779b97f4a7c15 >> (64 - ERRNO_BITS);

    /* Open addressing with a short run of tries. */
#pragma unroll
    for (int try = 0; try < ERRNO_TRIES; try++) {
        struct errno_slot *entry = &thread->errnos[(at + try) % ERRNO_SLOTS];

        if (entry->count == 0)
            entry->whole = key;
        if (entry->whole == key) {
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

/* floor(log2(ns)) by halves, moved so that bucket 0 ends at 2^HISTOGRAM_FIRST_SHIFT. Whether v
 * is above a half is told by the sign of a difference: each branch would double the paths that
 * the verifier walks. */
static __always_inline u64 bucket_of(u64 ns) {
    u64 v = ns >> (HISTOGRAM_FIRST_SHIFT - 1), r, half;

    r = (0xffff - v) >> 59 & 16;
    v >>= r;
    half = (0xff - v) >> 60 & 8;
    v >>= half;
    r |= half;
    half = (0xf - v) >> 61 & 4;
    v >>= half;
    r |= half;
    half = (0x3 - v) >> 62 & 2;
    v >>= half;
    r |= half | v >> 1;
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

#endif
