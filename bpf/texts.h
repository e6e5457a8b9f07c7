/* What the pointers of blocked calls point to, where it is a path. */
#ifndef SBTRACE_TEXTS_H
#define SBTRACE_TEXTS_H

/* Which argument is a path: 1 + its place for the first one, the same for a second one four bits
 * above; 0 if none is. */
static __always_inline u32 path_arguments(u32 abi, u32 nr) {
    u32 zero = 0;
    struct path_table *table = path_arguments_of.lookup(&zero);

    if (!table || nr >= DIRECT_NRS)
        return 0;
    return table->of[direct_index(abi, nr)];
}

/* Reads the argument `which` - 1. The kernel has not: it refused the call unseen. So the page may
 * never have been touched, and then nothing can be read. */
static __always_inline s16 read_text(char *to, u32 room, struct blocked_key *key, u64 which) {
    which--;
    BOUNDED(which);
    if (which >= 6)
        return TEXT_NONE;
    long bytes = bpf_probe_read_user_str(to, room, (void *)key->args[which]);
    return bytes < 0 ? TEXT_UNREAD : bytes;
}

static __always_inline void count_text(struct text_key *key, u64 now) {
    struct text_count *seen = texts.lookup(key);
    struct text_count first = {.count = 1, .first_ns = now, .last_ns = now};

    if (seen) {
        seen->count++; /* one thread's own key: no race */
        seen->last_ns = now;
    } else if (texts.update(key, &first)) {
        lose(LOST_TEXTS, 1);
    }
}

static __always_inline void note_texts(struct scratch *work) {
    u32 which = path_arguments(work->blocked.abi, work->blocked.nr);
    struct text_key *key = &work->text;

    if (!which)
        return;
    clear(key, sizeof(*key));
    key->row_ns = work->row_ns;
    key->tid = work->blocked.tid;
    key->bytes[0] = read_text(key->text[0], TEXT_BYTES, &work->blocked, which & 15);
    key->bytes[1] = read_text(key->text[1], TEXT_BYTES, &work->blocked, which >> 4);
    count_text(key, work->row_last_ns);
}

#endif
