/* The table of one thread: its slots, its errnos, and how it is written out. */
#ifndef SBTRACE_TABLE_H
#define SBTRACE_TABLE_H

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

#endif
