// Calls that a signal ends together with their task, and calls that it only interrupts.
// Each child sleeps in one call and is sent a signal.
// A call that its task died in never returned. One whose handler ran, or that was made once more,
// did, also where the task then dies of another signal.
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>

#include "asleep.h"

static const int FATAL[] = {SIGQUIT, SIGABRT, SIGILL, SIGTRAP, SIGSYS, SIGTERM, SIGHUP, SIGUSR1};
#define N_FATAL (int)(sizeof(FATAL) / sizeof(FATAL[0]))

#define CHILDREN (N_FATAL + 10)

static int empty[2]; // a pipe
static int crowd;

static atomic_int *handled; // shared with the children

static void on_signal(int signo) {
    (void)signo;
    atomic_fetch_add(handled, 1);
}

static void die_of_trap(int signo) {
    (void)signo;
    __builtin_trap();
}

static void handle(int signo, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (sigaction(signo, &action, NULL) < 0)
        die("sigaction");
}

static void block(int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

// After `crowd` calls of as many numbers that no call has: 40 of them fill a thread's own table,
// 128 everything behind it. strace 6.1 dies of numbers that it does not know below 512.
static void in_pause(void) {
    for (int i = 0; i < crowd; i++)
        syscall(i < 87 ? 337 + i : 472 - 87 + i);
    syscall(SYS_pause);
}

static void in_readv(void) {
    char byte;
    struct iovec one = {.iov_base = &byte, .iov_len = 1};
    readv(empty[0], &one, 1);
}

static void in_nanosleep(void) {
    struct timespec for_ever = {.tv_sec = 100000};
    syscall(SYS_nanosleep, &for_ever, NULL);
}

static void in_epoll_pwait(void) {
    struct epoll_event event;
    epoll_pwait(epoll_create1(0), &event, 1, -1, NULL);
}

// The signal waits already, and the call lets it in.
static void in_sigsuspend(void) {
    sigset_t none;
    sigemptyset(&none);
    block(SIGTERM);
    kill(getpid(), SIGTERM);
    sigsuspend(&none);
}

// The first signal runs the handler, and the kernel makes the call again.
static void handled_once(void) {
    handle(SIGQUIT, on_signal, SA_RESTART | SA_RESETHAND);
    in_readv();
}

static void trap_in_handler(void) {
    handle(SIGUSR1, die_of_trap, 0);
    in_pause();
}

// The handler returns, and the very next instruction is deadly.
static void trap_behind_handler(void) {
    handle(SIGUSR1, on_signal, 0);
    long nr = SYS_pause;
    asm volatile("syscall\n\tud2" : "+a"(nr) : : "rcx", "r11", "memory");
}

static void ignored(void) {
    handle(SIGQUIT, SIG_IGN, 0);
    in_readv();
}

static void blocked(void) {
    block(SIGQUIT);
    in_readv();
}

static pid_t start(void (*body)(void)) {
    pid_t pid = must_fork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0); // no core
        body();
        _exit(0);
    }
    return pid;
}

static void ends_by(pid_t pid, int signo) {
    int status;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    if (signo ? !WIFSIGNALED(status) || WTERMSIG(status) != signo : status != 0) {
        fprintf(stderr, "wait status %#x instead of %d\n", status, signo);
        _exit(99);
    }
}

static void send(pid_t pid, int signo) {
    wait_until_asleep(pid, pid);
    if (kill(pid, signo) < 0)
        die("kill");
}

static void ended_in(void (*body)(void), int sent, int signo) {
    pid_t pid = start(body);
    send(pid, sent);
    ends_by(pid, signo);
}

static void returned_from(void (*body)(void), int signo) {
    pid_t pid = start(body);
    send(pid, signo);
    wait_until_asleep(pid, pid);
    if (write(empty[1], "x", 1) != 1)
        die("write");
    ends_by(pid, 0);
}

static void ended_when_made_again(void) {
    pid_t pid = start(handled_once);
    send(pid, SIGQUIT);
    while (!*handled)
        sched_yield();
    send(pid, SIGQUIT);
    ends_by(pid, SIGQUIT);
}

static void ended_when_continued(void) {
    int status;
    pid_t pid = start(in_pause);
    send(pid, SIGSTOP);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        die("waitpid: not stopped");
    kill(pid, SIGCONT);
    send(pid, SIGQUIT);
    ends_by(pid, SIGQUIT);
}

// The last three of pause: trapped in a handler, trapped behind one, and stopped once.
int main(int argc, char **argv) {
    crowd = argument(argc, argv, 1, 0);
    expect("{'calls': {'pause': %d, 'readv': 5, 'nanosleep': 1, 'epoll_pwait': 1, ", N_FATAL + 4);
    expect("'rt_sigsuspend': 1, 'rt_sigreturn': 2, 'clone': %d, 'write': 3}, ", CHILDREN);
    expect("'errors': {'pause': 3, 'readv': 1, 'nanosleep': 0, 'epoll_pwait': 0, ");
    expect("'rt_sigsuspend': 0, 'rt_sigreturn': 1}, ");
    expect("'unfinished': {'pause': %d, 'readv': 2, 'nanosleep': 1, ", N_FATAL + 1);
    expect("'epoll_pwait': 1, 'rt_sigsuspend': 1, 'rt_sigreturn': 0}, ");
    expect("'processes': %d, 'threads': %d, ", 1 + CHILDREN, 1 + CHILDREN);
    // A tracer is told of an ignored signal, too: that interrupts the call.
    expect("'traced': {'readv': 1}, 'images': 1, 'exit_code': 0}");
    expect_print();

    must_pipe(empty);
    handled =
        mmap(NULL, sizeof(*handled), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (handled == MAP_FAILED)
        die("mmap");
    for (int i = 0; i < N_FATAL; i++)
        ended_in(in_pause, FATAL[i], FATAL[i]);
    ended_in(in_readv, SIGQUIT, SIGQUIT);
    ended_in(in_nanosleep, SIGQUIT, SIGQUIT);
    ended_in(in_epoll_pwait, SIGABRT, SIGABRT);
    ends_by(start(in_sigsuspend), SIGTERM);
    ended_when_made_again();
    ended_in(trap_in_handler, SIGUSR1, SIGILL);
    ended_in(trap_behind_handler, SIGUSR1, SIGILL);
    ended_when_continued();
    returned_from(ignored, SIGQUIT);
    returned_from(blocked, SIGQUIT);
    return 0;
}
