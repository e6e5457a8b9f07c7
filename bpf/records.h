/*
 * What the program writes into the ring buffer, and the state it keeps for each thread.
 * tracer/collectors/kernel/wire.py reads the same layouts; those of maps are compared at load.
 */
#ifndef SBTRACE_RECORDS_H
#define SBTRACE_RECORDS_H

#include "arch.h"

#define HISTOGRAM_BUCKETS     28
#define HISTOGRAM_FIRST_SHIFT 7

/* A table is one element of the pool, of 8 KiB: the slots of the first 22 distinct syscalls of a
 * thread and image. Further ones lie in further elements, and what goes beyond 110 in `overflow`.
 */
#define SLOTS       22
#define FURTHER     4 /* elements beside the table itself */
#define ALL_SLOTS   (SLOTS * (1 + FURTHER))
#define ERRNO_BITS  6
#define ERRNO_SLOTS (1 << ERRNO_BITS)
#define ERRNO_TRIES 6
#define DIRECT_NRS  512
#define NOTED       128 /* in table->direct: the arguments of this number are noted */

/* The pool grows by chunks that sbtrace adds; element 0 is no table but `no_table`. */
#define CHUNK_BITS   10
#define CHUNK_TABLES (1 << CHUNK_BITS)
#define CHUNKS       40
#define TABLES       (CHUNKS * CHUNK_TABLES)
#define NO_TABLE     0

/* One thread a lane; behind them is room for guests, one a table. */
#define LANE_BITS 13
#define LANES     (1 << LANE_BITS)

#define COMM_BYTES      16
#define FILENAME_BYTES  256
#define ARGV_BYTES      16384
#define PATH_BYTES      4096
#define COMPONENT_BYTES 256 /* NAME_MAX, and a null byte */
#define TEXT_BYTES      240
#define STACK_FRAMES    16
#define STACK_BYTES     8192

/* The kinds of record. */
#define RECORD_THREAD  1
#define RECORD_EXEC    2
#define RECORD_MAP     3
#define RECORD_BLOCKED 4
#define RECORD_START   5
#define RECORD_PROGRAM 6
#define RECORD_FURTHER 7 /* slots of a thread whose RECORD_THREAD follows */
#define RECORD_BARE    8 /* in place of RECORD_THREAD for one that had no table */
#define RECORD_PLAIN   9 /* the same for one that had no errnos */
#define RECORD_VALUES  10

/* Why a thread's table was written out. */
#define END_SNAPSHOT 0
#define END_EXEC     1
#define END_EXIT     2

/* head.flags */
#define THREAD_LAST        2  /* the process ended with this thread */
#define THREAD_GROUP_EXIT  4  /* exit_code is that of the whole process */
#define THREAD_KILLED_HERE 8  /* seccomp ends it, and the blocked call is counted */
#define THREAD_CUT_SHORT   16 /* table->cut tells of a call that a signal cut short */

/* How a blocked call came back. */
#define BLOCKED_RETURN 0 /* a return value: ERRNO, or a tracer or notifier said so */
#define BLOCKED_SIGSYS 1 /* SIGSYS was forced: TRAP or a KILL */
#define BLOCKED_EXIT   2 /* the thread just ended: KILL_THREAD beside others, or strict mode */
#define BLOCKED_LOG    3 /* not blocked: SECCOMP_RET_LOG let it through */

struct slot {
    u32 nr;
    u32 abi;
    u64 errors;
    u64 blocked;
    u64 total_ns;
    u64 min_ns;
    u64 max_ns;
    u64 histogram[HISTOGRAM_BUCKETS];
};

struct errno_key {
    u32 nr;
    u16 abi;
    u16 errno_blocked; /* errno, with bit 15 set if the filter returned it */
};

struct errno_slot {
    union {
        struct errno_key key;
        u64 whole; /* the key, to be compared at once */
    };
    u64 count;
};

/* What a followed thread is and does. */
struct head {
    u32 table; /* in the pool; NO_TABLE where that had none left */
    u32 slots; /* in use, those of further elements too */
    u16 flags;
    u16 noting; /* ARGUMENT_… of the call that has just returned; 0: its are not noted */
    u32 call_nr;
    u32 call_abi;
    u32 sigsys;   /* the SIGSYS of the blocked call under way: 1 + its si_errno */
    u64 call_ns;  /* start of the call in flight; 0 if none */
    u64 returned; /* calls that came back, over all slots */
    u32 image;
    u32 pid;
    u32 tid;
    u32 ppid;
    u64 process_ns;       /* start of the process: with pid, its key */
    u64 parent_ns;        /* the same of its parent; 0 for the command itself */
    u64 thread_ns;        /* start of the thread: with tid, its key */
    u64 image_ns;         /* start of the image */
    s32 exit_code;        /* as wait(2) encodes it */
    u16 further[FURTHER]; /* elements of the pool with its further slots; 0: none yet */
    u32 errnos;           /* 1: some of the table's are in use */
    u16 working; /* SCRATCH_… of the program that this thread is in, for the one it ends in */
    u16 walking; /* WALK_…, likewise */
    u32 execs;   /* task_struct.self_exec_id of the image */
};

/* Two cache lines, of which a call changes the first one alone. */
struct thread {
    /* The address of its registers on the kernel stack, which no two live tasks share; 0: not in
     * use. Of a lane also how many want to own it, and how many followed tasks are guests
     * elsewhere because it was taken. */
    u64 owner;
    u32 claims;
    u32 guests;
    struct head head;
};

/* In task storage: the launcher until its execve, and those that are guests. */
struct enrolled {
    u32 armed;
    u32 thread; /* where it is in `threads`; 0: nowhere */
};

/* The end of a table, as it is written out. */
struct written {
    u32 kind;
    u32 end;
    u64 end_ns;
    char comm[COMM_BYTES];
    struct head head;
};

/* The last call that a signal cut short, and what its slot said before it came back. */
struct cut {
    u64 returned; /* of the thread, with it */
    u64 start_ns;
    u64 total_ns; /* these three as in the slot */
    u64 min_ns;
    u64 max_ns;
    u64 ip;
    s64 ret;
};

struct table {
    /* Number, native then compat -> 1 + slot, and NOTED; 0 = none yet. */
    u8 direct[2 * DIRECT_NRS];
    /* From here on it is written out as it stands, up to the last slot in use; a further element
     * from `written` on. */
    u64 kind;
    struct errno_slot errnos[ERRNO_SLOTS];
    union {
        struct written written; /* only as it is written out */
        struct cut cut;         /* before */
    };
    struct slot slots[SLOTS];
    u64 reserved;
};

/* Elements of the pool that nobody has, one behind the other. */
struct spare {
    u32 first;
    u32 count;
};

struct pool_state {
    u64 taken; /* elements that somebody has */
    u64 all;   /* elements that sbtrace has put in */
    u64 low;   /* it is woken to add to them when fewer are free */
};

/* What a parent leaves for its child, which takes it up in its own context. */
struct note {
    u64 start_ns;
    u64 process_ns;
    u64 parent_ns;
    u64 image_ns;
    u32 ppid;
    u32 image;
};

/* A process or thread begins. */
struct start_record {
    u32 kind;
    u32 image;
    u32 pid;
    u32 tid;
    u32 ppid;
    u32 reserved;
    u64 process_ns;
    u64 parent_ns;
    u64 thread_ns;
};

struct exec_record {
    u32 kind;
    u32 image;
    u32 pid;
    u32 reserved;
    u64 process_ns;
    u64 at_ns;
    u32 argv_bytes; /* of argv below */
    u32 argv_whole; /* of the process's whole argument area */
    char filename[FILENAME_BYTES];
    char argv[ARGV_BYTES];
};

/* A file that a process executes: mapped, or the program itself (all of the mapping 0). */
struct file_record {
    u32 kind;
    u32 image;
    u32 pid;
    u32 device;
    u64 process_ns;
    u64 start;
    u64 length;
    u64 file_offset;
    u64 inode;
    u32 path_bytes; /* of path below */
    u32 path_whole; /* 1: it reaches the root of all mounts */
    /* The names on the way from the file up, each with a null byte at its end. */
    char path[PATH_BYTES + COMPONENT_BYTES];
};

/* Where the walk to the root has come to. */
struct walk {
    void *file; /* where it begins; NULL once it has */
    void *dentry;
    void *mount; /* struct mount */
    void *root;  /* of that mount, a dentry */
    u64 done;
    struct file_record record;
};

struct blocked_key {
    u64 process_ns;
    u64 thread_ns;
    u32 pid;
    u32 tid;
    u32 image;
    u32 nr;
    u32 abi;
    u32 how;
    u32 sigsys;
    u32 reserved;
    s64 ret;
    u64 ip;
    u64 sp;
    u64 args[6];
};

struct blocked_count {
    u64 count;
    u64 first_ns;
    u64 last_ns;
};

struct blocked_record {
    u32 kind;
    u32 stack_bytes;
    u64 at_ns;
    struct blocked_key key;
    u64 code_start;
    u64 code_end;
    s64 frames_bytes;
    struct bpf_stack_build_id frames[STACK_FRAMES];
    user_regs regs;
    char stack[STACK_BYTES];
};

/* What falls over the edge of the thread's own table: whole slots (errno_blocked 0) and
 * single errnos. */
struct overflow_key {
    u64 process_ns;
    u64 thread_ns;
    u32 pid;
    u32 tid;
    u32 image;
    u32 nr;
    u16 abi;
    u16 errno_blocked;
    u32 reserved;
};

/* What the paths of a blocked call said: beside the row of `blocked`, since a row is kept with
 * its stack and a call may name a thousand files. */
struct text_key {
    u64 row_ns; /* first_ns of the row, which no other of the thread has */
    u32 tid;
    s16 bytes[2]; /* of each text, its null byte included, or TEXT_… */
    char text[2][TEXT_BYTES];
};

#define TEXT_NONE   0  /* the call has no such argument */
#define TEXT_UNREAD -1 /* what it points to could not be read */

struct text_count {
    u64 count;
    u64 first_ns;
    u64 last_ns;
};

struct path_table {
    u8 of[2 * DIRECT_NRS];
};

/* Which arguments of a call are noted: up to three, each in three bits. */
#define ARGUMENT_SPEC     0x8000 /* any at all */
#define ARGUMENT_NONE     7
#define MOST_COMBINATIONS 64 /* of one call in one process image */

struct argument_table {
    u16 of[2 * DIRECT_NRS];
};

struct argument_key {
    u64 process_ns;
    u32 pid;
    u32 image;
    u32 nr;
    u32 abi;
    u64 values[3]; /* 0 for those that the spec has none for */
};

struct argument_set {
    u64 process_ns;
    u32 pid;
    u32 image;
    u32 nr;
    u32 abi;
};

struct argument_record {
    u32 kind;
    u32 spec; /* 0: there are more than MOST_COMBINATIONS */
    struct argument_key key;
};

/* Working room beyond the 512 bytes of a BPF stack. */
struct scratch {
    user_regs regs;
    struct blocked_key blocked;
    u64 row_ns;      /* of the row that it went into; 0: none */
    u64 row_last_ns; /* and when */
    struct text_key text;
    u64 args[ARGUMENT_NONE + 1]; /* of a call, and zeros behind them */
};

/* Indices into `scratches`: the programs that need one. Of those with an AGAIN, see sbtrace.c. */
#define SCRATCH_ENTER        0
#define SCRATCH_EXIT         1
#define SCRATCH_SIGNAL       2
#define SCRATCH_SIGNAL_AGAIN 3
#define SCRATCH_END          4
#define SCRATCH_END_AGAIN    5
#define SCRATCH_VSYSCALL     6
#define SCRATCHES            7

/* Indices into `walks`; the first two also into `exec_scratch`. */
#define WALK_EXEC       0
#define WALK_EXEC_AGAIN 1
#define WALK_EXIT       2
#define WALKS           3

/* Indices into `losses`. */
#define LOST_RECORDS  0  /* thread tables the ring buffer had no room for */
#define LOST_CALLS    1  /* calls in those tables */
#define LOST_EVENTS   2  /* records of starts, execs and mappings, likewise */
#define LOST_CHILDREN 3  /* children that could not be noted: not followed */
#define LOST_THREADS  4  /* threads without storage: not followed */
#define LOST_SLOTS    5  /* calls for which `overflow` had no room */
#define LOST_ERRNOS   6  /* errnos, likewise */
#define LOST_DETAILS  7  /* blocked calls counted, but `blocked` had no room for their details */
#define LOST_STACKS   8  /* rows of blocked calls whose stack the ring buffer had no room for */
#define LOST_SKIPPED  9  /* calls that a tracer may have had skipped, or not: by -1, by SYSEMU */
#define LOST_TEXTS    10 /* paths of blocked calls that `texts` had no room for */
#define LOST_UNSEEN   11 /* calls by the vsyscall page that a filter may have blocked unseen */
#define LOST_STARTS   12 /* calls counted at their exit, as the kernel skipped us at their entry */
#define LOST_RESULTS  13 /* calls counted at the next entry, as it skipped us at their exit */
#define LOST_VALUES   14 /* combinations of arguments that could not be told */
#define LOSSES        15

/* Indices into `tails`: programs that others end in, so that the verifier walks each only once. */
#define TAIL_WALK_PATH  0
#define TAIL_NOTE_TEXTS 1
#define TAIL_ARGUMENTS  2
#define TAILS           3

/* Indices into `marks`. */
#define MARK_STACKS    0 /* bytes that records of blocked calls took in the ring buffer so far */
#define MARK_TAKEN     1 /* bytes of these that sbtrace has read and given back */
#define MARK_LAST_EXIT 2 /* CLOCK_MONOTONIC instant at which one of the target last died */
#define MARK_FILTERS   3 /* seccomp filters that the target began with */
#define MARK_REAPER    4 /* who is told of that: the address of its signal_struct */
#define MARK_DOUBTFUL  5 /* blocked calls that may be calls at whose entry the kernel skipped us */
#define MARKS          6

/* Indices into `verdicts`: the calls of the vsyscall page. */
#define VSYSCALL_GETTIMEOFDAY 0
#define VSYSCALL_TIME         1
#define VSYSCALL_GETCPU       2
#define VSYSCALLS             3

/* What the run's own filter does with one of them, whatever its arguments. */
#define VERDICT_UNKNOWN 0
#define VERDICT_SIGNAL  1
#define VERDICT_ERRNO   2 /* and so much more as the errno is */

#endif
