/* Writes BURST records into a ring buffer at each call number CALL of process PID: most of nine
 * words, each fifth of one, and of these every second one is thrown away. */
BPF_RINGBUF_OUTPUT(ring, PAGES);
BPF_ARRAY(numbers, u64, 2); /* the next record's, and how many there was no room for */

struct words {
    u64 word[9];
};

static inline int write_short(u64 number) {
    u64 *record = ring.ringbuf_reserve(sizeof(u64));

    if (!record)
        return 0;
    *record = number;
    if (number % 2)
        ring.ringbuf_discard(record, 0);
    else
        ring.ringbuf_submit(record, 0);
    return 1;
}

static inline int write_long(u64 number) {
    struct words *record = ring.ringbuf_reserve(sizeof(struct words));

    if (!record)
        return 0;
    record->word[0] = number;
    record->word[8] = ~number;
    ring.ringbuf_submit(record, 0);
    return 1;
}

RAW_TRACEPOINT_PROBE(sys_enter) {
    int first = 0, second = 1;
    u64 *next, *lost;

    if (bpf_get_current_pid_tgid() >> 32 != PID || ctx->args[1] != CALL)
        return 0;
    next = numbers.lookup(&first);
    lost = numbers.lookup(&second);
    if (!next || !lost)
        return 0;
    for (int i = 0; i < BURST; i++) {
        u64 number = (*next)++;

        if (!(number % 5 == 3 ? write_short(number) : write_long(number)))
            (*lost)++;
    }
    return 0;
}
