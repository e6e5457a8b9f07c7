/* Arguments that decide what a call is allowed to do: each distinct combination is told once. */
#ifndef SBTRACE_ARGUMENTS_H
#define SBTRACE_ARGUMENTS_H

static __always_inline u64 value_of(struct scratch *work, u32 spec, u32 which) {
    u64 at = spec >> (3 * which) & ARGUMENT_NONE;

    BOUNDED(at);
    return work->args[at & ARGUMENT_NONE]; /* the last one is always 0 */
}

/* One combination more of a process image and call; false beyond what is kept of one. The first
 * that is too many is told, too, by a record without arguments. */
static __always_inline bool makes_room(struct argument_record *record) {
    struct argument_set set = {};
    u32 first = 1, *count;

    set.process_ns = record->key.process_ns;
    set.pid = record->key.pid;
    set.image = record->key.image;
    set.nr = record->key.nr;
    set.abi = record->key.abi;
    count = argument_sets.lookup(&set);
    if (!count) {
        argument_sets.update(&set, &first);
        return true;
    }
    if (*count > MOST_COMBINATIONS)
        return false;
    *count += 1; /* two threads at once: one more than the most, or told twice */
    if (*count > MOST_COMBINATIONS)
        record->spec = 0;
    return true;
}

/* work->args has those of the call. Of what was told the kernel keeps the latest ones, so that
 * some may be told again. */
static __always_inline void note_arguments(struct thread *thread, struct scratch *work, u32 spec) {
    struct argument_record record = {.kind = RECORD_VALUES, .spec = spec};
    u8 told = 1;

    record.key.process_ns = thread->head.process_ns;
    record.key.pid = thread->head.pid;
    record.key.image = thread->head.image;
    record.key.nr = thread->head.call_nr;
    record.key.abi = thread->head.call_abi;
    record.key.values[0] = value_of(work, spec, 0);
    record.key.values[1] = value_of(work, spec, 1);
    record.key.values[2] = value_of(work, spec, 2);
    if (told_arguments.lookup(&record.key) || !makes_room(&record))
        return;
    if (records.ringbuf_output(&record, sizeof(record), wakeup(sizeof(record))))
        lose(LOST_VALUES, 1); /* and it counts as told: a combination is lost once */
    if (record.spec)
        told_arguments.update(&record.key, &told);
}

#endif
