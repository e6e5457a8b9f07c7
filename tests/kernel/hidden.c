// hidden WAY [N]: refusals that no sys_exit tells of, and exits that no refusal is behind, for
// tests/kernel/test_hidden_refusals.py. The refused call is getpgid.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OWN_ERRNO EXFULL
#define VSYSCALL  0xffffffffff600000UL

static long count;

static void die(const char *what) {
    perror(what);
    exit(99);
}

static void filter(int nr, unsigned int action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
        die("filter");
}

static void wait_for(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
}

static pid_t must_fork(void) {
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    return pid;
}

// ---- threads that end ----------------------------------------------------------------------

static pthread_barrier_t both;

static void *refused_together(void *unused) {
    pthread_barrier_wait(&both);
    syscall(SYS_getpgid, 0);
    return unused;
}

// N processes in which two threads, all that there are, break the rule at once.
static void pairs(void) {
    for (long i = 0; i < count; i++) {
        pid_t pid = must_fork();
        if (pid == 0) {
            pthread_t id;
            pthread_barrier_init(&both, NULL, 2);
            if (pthread_create(&id, NULL, refused_together, NULL))
                die("pthread_create");
            refused_together(NULL);
            _exit(0); // where nothing was refused
        }
        wait_for(pid);
    }
}

static int let_go[2];

static void *refused_thread(void *unused) {
    if (ptrace(PTRACE_TRACEME))
        die("PTRACE_TRACEME");
    syscall(SYS_tgkill, getpid(), gettid(), SIGSTOP);
    syscall(SYS_getpgid, 0);
    return unused;
}

// A thread is refused, and held by its tracer at the beginning of its end; its process exits
// meanwhile as a whole.
static void beside_exit_group(void) {
    int status;
    char byte;
    if (pipe(let_go))
        die("pipe");
    pid_t pid = must_fork();
    if (pid == 0) {
        pthread_t id;
        if (pthread_create(&id, NULL, refused_thread, NULL) || read(let_go[0], &byte, 1) != 1)
            die("thread");
        _exit(0);
    }
    pid_t tid = waitpid(-1, &status, __WALL);
    if (tid == pid || !WIFSTOPPED(status))
        die("no thread");
    if (ptrace(PTRACE_SETOPTIONS, tid, 0, PTRACE_O_TRACEEXIT) || ptrace(PTRACE_CONT, tid, 0, 0))
        die("PTRACE_CONT");
    if (waitpid(tid, &status, __WALL) != tid || status >> 16 != PTRACE_EVENT_EXIT)
        die("no end of the thread");
    if (write(let_go[1], "x", 1) != 1)
        die("write");
    while (waitpid(-1, &status, __WALL) > 0)
        ; // the kill of the whole process wakes the thread, too
}

// ---- strict mode ---------------------------------------------------------------------------

static void strict(void) {
    for (long i = 0; i < count; i++) {
        pid_t pid = must_fork();
        if (pid == 0) {
            if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
                die("strict");
            syscall(SYS_getpgid, 0);
        }
        wait_for(pid);
    }
}

// getpgid with six numbers, of the native ABI and of i386.
static void six_arguments(void) {
    long result;
    syscall(SYS_getpgid, 1, 2, 3, 4, 5, 6);
    __asm__ volatile(
        "sub $128, %%rsp; push %%rbp; mov $16, %%ebp; int $0x80; pop %%rbp; add $128, %%rsp"
        : "=a"(result)
        : "a"(132), "b"(11), "c"(12), "d"(13), "S"(14), "D"(15)
        : "memory", "cc", "r8", "r9", "r10", "r11");
}

// ---- the vsyscall page ---------------------------------------------------------------------

static void on_sigsys(int signal) {
    (void)signal;
}

static void handle_sigsys(void) {
    struct sigaction action = {.sa_handler = on_sigsys};
    if (sigaction(SIGSYS, &action, NULL))
        die("sigaction");
}

static long old_time(void) {
    return ((long (*)(time_t *))(VSYSCALL + 0x400))(NULL);
}

static void vsyscalls(void) {
    for (long i = 0; i < count; i++)
        printf("%ld\n", old_time() < 0 ? old_time() : 1);
}

// time has one argument, whatever the second register holds; gettimeofday has two pointers.
static void odd_vsyscalls(void) {
    for (long i = 0; i < count; i++) {
        if (((long (*)(long, long))(VSYSCALL + 0x400))(0, -1) != -54)
            die("time");
        pid_t pid = must_fork();
        if (pid == 0)
            _exit(((long (*)(long, long))VSYSCALL)(0, -1) == 0);
        wait_for(pid);
    }
}

// A trapped call by way of the page; then one that gets an errno.
static void vsyscall_then_call(void) {
    handle_sigsys();
    for (long i = 0; i < count; i++) {
        old_time();
        syscall(SYS_getpgid, 0);
    }
}

static void killed_vsyscall(void) {
    for (long i = 0; i < count; i++) {
        pid_t pid = must_fork();
        if (pid == 0)
            _exit(old_time() == 0);
        wait_for(pid);
    }
}

// ---- signals that look like seccomp's ------------------------------------------------------

// As seccomp would send it, down to the address behind the call.
static long queue_forged(siginfo_t *info) {
    long result = SYS_rt_tgsigqueueinfo, pid = getpid(), tid = gettid();
    register siginfo_t *fourth __asm__("r10") = info;
    __asm__ volatile("lea 1f(%%rip), %%rcx\n\tmov %%rcx, 16(%4)\n\tsyscall\n1:"
                     : "+a"(result)
                     : "D"(pid), "S"(tid), "d"((long)SIGSYS), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

static void forged(void) {
    siginfo_t info = {.si_signo = SIGSYS, .si_code = 1, .si_errno = 7};
    info.si_syscall = SYS_rt_tgsigqueueinfo;
    handle_sigsys();
    for (long i = 0; i < count; i++) {
        if (queue_forged(&info))
            die("rt_tgsigqueueinfo");
        syscall(SYS_getpgid, 0);
    }
}

// A refused call with a signal, then one with an errno.
static void trapped_then_refused(void) {
    handle_sigsys();
    for (long i = 0; i < count; i++) {
        syscall(SYS_getsid, 0);
        syscall(SYS_getpgid, 0);
    }
}

// ---- what a tracer does --------------------------------------------------------------------

static pid_t traced(void (*body)(void)) {
    int status;
    pid_t pid = must_fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME))
            die("PTRACE_TRACEME");
        raise(SIGSTOP);
        body();
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        die("not stopped");
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP))
        die("PTRACE_SETOPTIONS");
    return pid;
}

static bool next_stop(pid_t pid, enum __ptrace_request how) {
    int status;
    if (ptrace(how, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
        die("next stop");
    return WIFSTOPPED(status);
}

static long number(pid_t pid) {
    return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, orig_rax), 0);
}

static void set_number(pid_t pid, long nr) {
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), nr))
        die("PTRACE_POKEUSER");
}

static void ask_once(void) {
    syscall(SYS_getpgid, 0);
}

static void ask(void) {
    for (long i = 0; i < count; i++)
        ask_once();
}

// Killed where it waits for its tracer before a call.
static void killed_at_entry(enum __ptrace_request how) {
    pid_t pid = traced(ask);
    while (next_stop(pid, how) && number(pid) != SYS_getpgid)
        ;
    kill(pid, SIGKILL);
    wait_for(pid);
}

// Every getpgid is skipped, by the number -1.
static void skipped(enum __ptrace_request how) {
    pid_t pid = traced(ask);
    while (next_stop(pid, how))
        if (number(pid) == SYS_getpgid)
            set_number(pid, -1);
}

// Every getpgid is emulated by the tracer.
static void emulated(void) {
    pid_t pid = traced(ask);
    while (number(pid) != SYS_getpgid)
        next_stop(pid, PTRACE_SYSCALL);
    while (number(pid) != SYS_exit_group)
        next_stop(pid, PTRACE_SYSEMU);
    kill(pid, SIGKILL);
    wait_for(pid);
}

// Every getpgid is skipped by PTRACE_SYSEMU, and the tracee let go by another request.
static void emulated_unseen(void) {
    for (long i = 0; i < count; i++) {
        pid_t pid = traced(ask_once);
        while (number(pid) != SYS_getpgid)
            next_stop(pid, PTRACE_SYSEMU);
        if (ptrace(PTRACE_CONT, pid, 0, 0))
            die("PTRACE_CONT");
        wait_for(pid);
    }
}

// Every getpgid stops at its entry, and is made: PTRACE_SYSEMU is asked for too late.
static void emulated_late(void) {
    for (long i = 0; i < count; i++) {
        pid_t pid = traced(ask_once);
        while (number(pid) != SYS_getpgid)
            next_stop(pid, PTRACE_SYSCALL);
        next_stop(pid, PTRACE_SYSEMU);
        kill(pid, SIGKILL);
        wait_for(pid);
    }
}

// The tracer dies where its tracee waits for it before a call, and takes it along.
static void tracer_dies(void) {
    int pair[2];
    if (pipe(pair))
        die("pipe");
    pid_t tracer = must_fork();
    if (tracer == 0) {
        pid_t pid = traced(ask_once);
        if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
            die("PTRACE_SETOPTIONS");
        while (number(pid) != SYS_getpgid)
            next_stop(pid, PTRACE_SYSCALL);
        _exit(0);
    }
    close(pair[1]);
    wait_for(tracer);
    char end;
    if (read(pair[0], &end, 1) != 0) // until the tracee is gone as well
        die("read");
}

static void blocks_sigsys(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    ask();
}

// In the place of a SIGUSR1 the tracer hands over a SIGSYS that looks like seccomp's.
static void forged_by_tracer(void) {
    pid_t pid = traced(blocks_sigsys);
    next_stop(pid, PTRACE_CONT);
    struct user_regs_struct regs;
    siginfo_t info;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs) || ptrace(PTRACE_GETSIGINFO, pid, 0, &info))
        die("PTRACE_GETSIGINFO");
    info.si_signo = SIGSYS;
    info.si_code = 1; // SYS_SECCOMP
    info.si_call_addr = (void *)regs.rip;
    info.si_syscall = (int)regs.orig_rax;
    if (ptrace(PTRACE_SETSIGINFO, pid, 0, &info) || ptrace(PTRACE_CONT, pid, 0, SIGSYS))
        die("PTRACE_SETSIGINFO");
    wait_for(pid);
}

// ---- a notifier ----------------------------------------------------------------------------

static void ignore(int signal) {
    (void)signal;
}

// A filter that asks whoever has the descriptor that it returns.
static int asking_filter(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int asked =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (asked < 0)
        die("listener");
    return asked;
}

// A signal comes while another thread is asked: the call fails, and nobody refused it.
static void interrupted(void) {
    struct sigaction action = {.sa_handler = ignore}; // not SA_RESTART
    sigaction(SIGUSR1, &action, NULL);
    int asked = asking_filter();
    pid_t parent = getpid(), pid = must_fork();
    if (pid == 0) {
        for (long i = 0; i < count; i++) {
            char notification[512] = {0};
            if (ioctl(asked, SECCOMP_IOCTL_NOTIF_RECV, notification))
                die("SECCOMP_IOCTL_NOTIF_RECV");
            kill(parent, SIGUSR1);
        }
        _exit(0);
    }
    for (long i = 0; i < count; i++)
        if (syscall(SYS_getpgid, 0) != -1 || errno != EINTR)
            die("getpgid");
    wait_for(pid);
}

// ---- numbers -------------------------------------------------------------------------------

static void odd_numbers(void) {
    for (long i = 0; i < count; i++) {
        syscall(-1);
        syscall(0x7fffffff);
    }
}

// By int 0x80: the result is an error in 32 bits, zero-extended.
static void old_modify_ldt(void) {
    for (long i = 0; i < count; i++) {
        unsigned long result = 123; // modify_ldt(99): no such function, ENOSYS
        __asm__ volatile("int $0x80"
                         : "+a"(result)
                         : "b"(99L), "c"(0L), "d"(0L)
                         : "memory", "r8", "r9", "r10", "r11");
        if ((int)result != -ENOSYS)
            die("modify_ldt");
    }
}

// Results at the edge of what is an error: offsets of one's own memory may be negative.
static void edges(void) {
    int memory = open("/proc/self/mem", O_RDONLY);
    for (long i = 0; i < count; i++) {
        if (syscall(SYS_lseek, memory, -4096L, SEEK_SET) != -4096)
            die("lseek");
        syscall(SYS_lseek, memory, -4095L, SEEK_SET);
    }
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    count = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    if (strcmp(way, "pairs") == 0)
        pairs();
    else if (strcmp(way, "beside_exit_group") == 0)
        beside_exit_group();
    else if (strcmp(way, "strict") == 0)
        strict();
    else if (strcmp(way, "six_arguments") == 0)
        six_arguments();
    else if (strcmp(way, "odd_vsyscalls") == 0)
        odd_vsyscalls();
    else if (strcmp(way, "vsyscalls") == 0)
        vsyscalls();
    else if (strcmp(way, "own_vsyscalls") == 0) {
        filter(SYS_time, SECCOMP_RET_ERRNO | OWN_ERRNO);
        vsyscalls();
    } else if (strcmp(way, "vsyscall_then_call") == 0)
        vsyscall_then_call();
    else if (strcmp(way, "killed_vsyscall") == 0)
        killed_vsyscall();
    else if (strcmp(way, "forged") == 0)
        forged();
    else if (strcmp(way, "trapped_then_refused") == 0)
        trapped_then_refused();
    else if (strcmp(way, "killed_at_entry") == 0)
        killed_at_entry(PTRACE_SYSCALL);
    else if (strcmp(way, "killed_at_filter") == 0) {
        filter(SYS_getpgid, SECCOMP_RET_TRACE);
        killed_at_entry(PTRACE_CONT);
    } else if (strcmp(way, "skipped") == 0)
        skipped(PTRACE_SYSCALL);
    else if (strcmp(way, "skipped_at_filter") == 0) {
        filter(SYS_getpgid, SECCOMP_RET_TRACE);
        skipped(PTRACE_CONT);
    } else if (strcmp(way, "emulated") == 0)
        emulated();
    else if (strcmp(way, "emulated_unseen") == 0) {
        filter(SYS_getsid, SECCOMP_RET_ERRNO | OWN_ERRNO);
        emulated_unseen();
    } else if (strcmp(way, "emulated_unseen_where_refused") == 0) {
        filter(SYS_getpgid, SECCOMP_RET_ERRNO | OWN_ERRNO);
        emulated_unseen();
    } else if (strcmp(way, "emulated_late") == 0)
        emulated_late();
    else if (strcmp(way, "tracer_dies") == 0) {
        filter(SYS_getsid, SECCOMP_RET_ERRNO | OWN_ERRNO);
        tracer_dies();
    } else if (strcmp(way, "forged_by_tracer") == 0)
        forged_by_tracer();
    else if (strcmp(way, "interrupted") == 0)
        interrupted();
    else if (strcmp(way, "odd_numbers") == 0)
        odd_numbers();
    else if (strcmp(way, "modify_ldt") == 0)
        old_modify_ldt();
    else if (strcmp(way, "edges") == 0)
        edges();
    else {
        fprintf(stderr, "hidden: no such way: %s\n", way);
        return 99;
    }
    return 0;
}
