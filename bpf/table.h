/* The table of one thread: where it comes from, its slots, its errnos, and how it is written out.
 */
#ifndef SBTRACE_TABLE_H
#define SBTRACE_TABLE_H

static __always_inline void add_to_taken(s64 count) {
    u32 zero = 0;
    struct pool_state *state = pool_state.lookup(&zero);

    if (state)
        __sync_fetch_and_add(&state->taken, count);
}

/* Takes an element of the pool; NO_TABLE if it has none. */
static __always_inline u32 take_element(void) {
    struct spare spare, rest;

    if (spares.pop(&spare))
        return NO_TABLE;
    rest.first = spare.first + 1;
    rest.count = spare.count - 1;
    if (rest.count)
        spares.push(&rest, 0);
    add_to_taken(1);
    return spare.first;
}

/* Whoever gives some back takes them off `taken`, too. */
static __always_inline void give_element(u32 index) {
    struct spare spare = {index, 1};

    spares.push(&spare, 0);
}

/* How sbtrace is to be woken by the record of a start: for the ring buffer, or for the pool. */
static __always_inline u64 wakeup_of_start(u64 bytes) {
    u32 zero = 0;
    struct pool_state *state = pool_state.lookup(&zero);

    if (state && state->all - state->taken < state->low)
        return BPF_RB_FORCE_WAKEUP;
    return wakeup(bytes);
}

static __always_inline struct slot *overflow_in_use(struct thread *thread, u16 errno) {
    struct overflow_key key = {};

    key.process_ns = thread->head.process_ns;
    key.thread_ns = thread->head.thread_ns;
    key.pid = thread->head.pid;
    key.tid = thread->head.tid;
    key.image = thread->head.image;
    key.nr = thread->head.call_nr;
    key.abi = thread->head.call_abi;
    key.errno_blocked = errno;
    return overflow.lookup(&key);
}

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
        u32 zero = 0;
        struct slot *blank = blank_slot.lookup(&zero);

        if (!blank)
            return NULL;
        blank->min_ns = ~0ULL; /* of all alike */
        overflow.update(&key, blank);
    }
    /* Looked up again also where it was there: from here on there is one path to verify. */
    struct slot *slot = overflow.lookup(&key);

    if (slot) {
        slot->nr = nr;
        slot->abi = abi;
    }
    return slot;
}

/* Where table->direct has the slot of a number below DIRECT_NRS. */
static __always_inline u64 direct_index(u32 abi, u32 nr) {
    u64 index = nr + (abi & ABI_COMPAT) * DIRECT_NRS; /* ABI_X32 has no such numbers */

    BOUNDED(index);
    return index % (2 * DIRECT_NRS);
}

/* NULL beyond the last. Checked where it is used: of an index that waits on the stack meanwhile
 * the verifier of 6.1 knows what was known when it went there, and no more. */
static __always_inline struct slot *slot_at(struct table *table, u64 index) {
    BOUNDED(index);
    if (index >= SLOTS)
        return NULL;
    BOUNDED(index);
    return &table->slots[index];
}

/* A slot beyond those of the table itself: `index` from SLOTS on. NULL if there is no room. */
static __always_inline struct slot *further_slot(struct thread *thread, u64 index) {
    u64 which = (u32)index / SLOTS - 1, at = (u32)index % SLOTS;
    struct table *table;

    BOUNDED(which);
    if (which >= FURTHER)
        return NULL;
    if (!thread->head.further[which])
        thread->head.further[which] = take_element();
    if (!thread->head.further[which])
        return NULL;
    table = element(thread->head.further[which]);
    if (!table)
        return NULL;
    BOUNDED(table);
    return slot_at(table, at);
}

static __always_inline void begin_slot(struct thread *thread, struct table *table,
                                       struct slot *slot, u32 abi, u32 nr) {
    table->direct[direct_index(abi, nr)] =
        ++thread->head.slots | (thread->head.noting / ARGUMENT_SPEC * NOTED);
    clear(slot, sizeof(*slot)); /* a table before this one may have used it */
    slot->nr = nr;
    slot->abi = abi;
    slot->min_ns = ~0ULL;
}

/* The slot of that index or, where there is none yet, a new one. NULL where it has to be in
 * `overflow`. */
static __always_inline struct slot *uncommon_slot(struct thread *thread, struct table *table,
                                                  u64 index, u32 abi, u32 nr) {
    bool is_new = index >= ALL_SLOTS;
    struct slot *slot;

    /* A number beyond the direct tables is x32's or nonsense: rare, and the hash has room. */
    if (nr >= DIRECT_NRS)
        return NULL;
    if (is_new)
        index = *(volatile u32 *)&thread->head.slots;
    BOUNDED(index);
    slot = index < SLOTS ? slot_at(table, index) : further_slot(thread, index);
    if (slot && is_new)
        begin_slot(thread, table, slot, abi, nr);
    return slot;
}

static __always_inline bool is_traced(void *task) {
    return FIELD(u32, task, OFFSET_task_struct_ptrace);
}

/* Whether a tracer had the call skipped, or may have: it writes this number for that. */
static __always_inline bool is_skipped(u32 nr) {
    return nr == (u32)-1 && is_traced((void *)bpf_get_current_task());
}

/* Which arguments of a call are to be noted: ARGUMENT_…, or 0. */
static __always_inline u32 argument_spec(u32 abi, u32 nr) {
    u32 zero = 0;
    struct argument_table *table = argument_specs.lookup(&zero);

    if (!table)
        return 0;
    u64 index = direct_index(abi, nr) * (1 - ((u64)(DIRECT_NRS - 1 - (u64)nr) >> 63));

    BOUNDED(index);
    return table->of[index % (2 * DIRECT_NRS)];
}

/* NULL where `overflow` has no room, and for what is no call. Of a call whose arguments are noted
 * the index has NOTED in it, so that no other call is asked about it on the way that most take. */
static __always_inline struct slot *slot_of(struct thread *thread, struct table *table, u32 abi,
                                            u32 nr) {
    struct slot *slot;
    u64 index = 0;

    if (nr < DIRECT_NRS)
        index = table->direct[direct_index(abi, nr)];
    index--; /* 0 - 1: none yet */
    BOUNDED(index);
    if (LIKELY(index < SLOTS))
        return &table->slots[index];
    if (index >= NOTED) {
        thread->head.noting = argument_spec(abi, nr);
        index -= (~index >> 63) * NOTED; /* but for 0 - 1 */
    }
    BOUNDED(index);
    slot = uncommon_slot(thread, table, index, abi, nr);
    if (!slot && !is_skipped(nr))
        slot = overflow_slot(&thread->head, abi, nr, 0);
    return slot;
}

/* The slot of the call that the thread made last; NULL if there is none. */
static __always_inline struct slot *slot_in_use(struct thread *thread, struct table *table) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    u64 index = ALL_SLOTS;

    if (nr < DIRECT_NRS)
        index = table->direct[direct_index(abi, nr)] - 1ULL;
    BOUNDED(index);
    if (LIKELY(index < SLOTS))
        return slot_at(table, index); /* it may wait on the stack until here */
    if (index < ALL_SLOTS)
        return further_slot(thread, index);
    return overflow_in_use(thread, 0);
}

/* The key as one number. By way of the stack, where the verifier forgets what it knew of its
 * parts: what comes after is one path, whatever they are. */
static __always_inline u64 errno_key(u32 abi, u32 nr, u16 errno_blocked) {
    struct errno_slot slot = {.key = {nr, abi, errno_blocked}};

    asm volatile("" : : "r"(&slot) : "memory");
    return slot.whole;
}

static __always_inline void count_errno(struct thread *thread, struct table *table, u32 abi, u32 nr,
                                        u16 errno_blocked) {
    u64 key = errno_key(abi, nr, errno_blocked);
    u64 at = key * 0x9e3779b97f4a7c15 >> (64 - ERRNO_BITS);

    thread->head.errnos = 1;
    /* Open addressing with a short run of tries. */
#pragma unroll
    for (int try = 0; try < ERRNO_TRIES; try++) {
        struct errno_slot *entry = &table->errnos[(at + try) % ERRNO_SLOTS];

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

/* One less of an error of the last call. */
static __always_inline void uncount_errno(struct thread *thread, struct table *table, u16 errno) {
    u32 nr = thread->head.call_nr, abi = thread->head.call_abi;
    u64 key = errno_key(abi, nr, errno);
    u64 at = key * 0x9e3779b97f4a7c15 >> (64 - ERRNO_BITS);

#pragma unroll
    for (int try = 0; try < ERRNO_TRIES; try++) {
        struct errno_slot *entry = &table->errnos[(at + try) % ERRNO_SLOTS];

        if (entry->whole == key && entry->count) {
            entry->count--;
            return;
        }
    }
    struct slot *slot = overflow_in_use(thread, errno);
    if (slot)
        slot->errors--;
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

/* Begins an image: the table is empty, a call in flight (the execve) stays in flight. Who has no
 * table counts in `no_table`, which has no room: all of it goes to `overflow`. */
static __always_inline void begin_image(struct thread *thread, u64 now) {
    struct table *table = element(thread->head.table);

    if (table && thread->head.table != NO_TABLE) {
        clear(table->direct, sizeof(table->direct));
        clear(table->errnos, sizeof(table->errnos));
        thread->head.slots = 0;
    } else {
        thread->head.slots = ALL_SLOTS;
    }
    thread->head.errnos = 0;
    thread->head.flags &= ~THREAD_CUT_SHORT;
    thread->head.returned = 0;
    thread->head.image_ns = now;
}

static __always_inline void give_further(struct thread *thread) {
    s64 given = 0;

#pragma unroll
    for (int which = 0; which < FURTHER; which++) {
        if (!thread->head.further[which])
            break;
        give_element(thread->head.further[which]);
        thread->head.further[which] = 0;
        given++;
    }
    if (given)
        add_to_taken(-given);
}

/* Bytes of the slots that lie in an element: of the table itself, or of a further one. */
static __always_inline u64 slots_bytes(struct thread *thread, u32 before) {
    u64 slots = thread->head.slots - before;

    BOUNDED(slots);
    if (slots > SLOTS)
        slots = SLOTS;
    return slots * sizeof(struct slot);
}

static __always_inline long write_further(struct thread *thread, struct written *written,
                                          u32 which) {
    struct table *table = element(thread->head.further[which]);
    u64 bytes = sizeof(struct written) + slots_bytes(thread, (1 + which) * SLOTS);

    if (!table)
        return 0;
    bpf_probe_read_kernel(&table->written, sizeof(table->written), written);
    return records.ringbuf_output(&table->written, bytes, BPF_RB_NO_WAKEUP);
}

static __always_inline long write_table(struct thread *thread, struct written *written) {
    struct table *table = element(thread->head.table);
    u64 bytes = sizeof(*written) + slots_bytes(thread, 0);

    if (!table || thread->head.table == NO_TABLE) {
        written->kind = RECORD_BARE;
        return records.ringbuf_output(written, sizeof(*written), wakeup(sizeof(*written)));
    }
    written->kind = RECORD_PLAIN;
    bpf_probe_read_kernel(&table->written, sizeof(table->written), written);
    if (!thread->head.errnos)
        return records.ringbuf_output(&table->written, bytes, wakeup(bytes));
    table->kind = RECORD_THREAD;
    bytes += __builtin_offsetof(struct table, written) - __builtin_offsetof(struct table, kind);
    return records.ringbuf_output(&table->kind, bytes, wakeup(bytes));
}

static __always_inline void write_out(struct thread *thread, u32 end, u64 now) {
    struct written written = {.kind = RECORD_FURTHER, .end = end, .end_ns = now};
    long failed = 0;

    bpf_get_current_comm(written.comm, sizeof(written.comm));
    bpf_probe_read_kernel(&written.head, sizeof(written.head), &thread->head);
#pragma unroll
    for (int which = 0; which < FURTHER; which++) {
        if (!thread->head.further[which])
            break;
        failed |= write_further(thread, &written, which);
    }
    if (failed || write_table(thread, &written)) {
        lose(LOST_RECORDS, 1);
        lose(LOST_CALLS, thread->head.returned + (thread->head.call_ns != 0));
    }
}

#endif
