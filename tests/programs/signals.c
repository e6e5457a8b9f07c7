// Calls that signals interrupt. A child reads a pipe with readv and is signalled
//   N_EINTR times without SA_RESTART: readv fails, the child calls again;
//   N_RESTART times with it: readv "fails" with ERESTARTSYS and the kernel calls again.
// Then it sleeps in nanosleep and is stopped and continued N_STOP times: each one is an
// interruption that restart_syscall takes up; a handler ends the sleep.
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "asleep.h"

#define N_EINTR   13
#define N_RESTART 17
#define N_STOP    5

static struct shared {
    atomic_int handled;
    atomic_int phase;
} *shared;

static void on_signal(int signo) {
    (void)signo;
    atomic_fetch_add(&shared->handled, 1);
}

static void handle(int signo, int flags) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    if (sigaction(signo, &action, NULL) < 0)
        die("sigaction");
}

static void victim(int fd) {
    char byte;
    struct iovec one = {.iov_base = &byte, .iov_len = 1};
    struct timespec for_ever = {.tv_sec = 100000};
    handle(SIGUSR1, 0);
    handle(SIGUSR2, SA_RESTART);
    shared->phase = 1;
    for (int i = 0; i < N_EINTR; i++)
        if (readv(fd, &one, 1) != -1 || errno != EINTR)
            die("readv is not interrupted");
    if (readv(fd, &one, 1) != 1) // SIGUSR2, until the byte comes
        die("readv is not restarted");
    shared->phase = 2;
    if (syscall(SYS_nanosleep, &for_ever, NULL) != -1 || errno != EINTR)
        die("nanosleep");
    _exit(0);
}

static void interrupt(pid_t pid, int signo, int times) {
    for (int i = 0; i < times; i++) {
        int before = shared->handled;
        wait_until_asleep(pid, pid);
        if (kill(pid, signo) < 0)
            die("kill");
        while (shared->handled == before)
            sched_yield();
    }
}

static void stop_and_continue(pid_t pid) {
    int status;
    wait_until_asleep(pid, pid);
    kill(pid, SIGSTOP);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        die("waitpid: not stopped");
    kill(pid, SIGCONT);
    if (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status))
        die("waitpid: not continued");
}

int main(void) {
    expect("{'calls': {'readv': %d, 'rt_sigreturn': %d, ", N_EINTR + N_RESTART + 1,
           N_EINTR + N_RESTART + 1);
    expect("'nanosleep': 1, 'restart_syscall': %d, 'clone': 1, 'kill': %d, 'write': 2}, ", N_STOP,
           N_EINTR + N_RESTART + 2 * N_STOP + 1);
    expect("'errors': {'readv': %d, 'nanosleep': 1, 'restart_syscall': %d, 'kill': 0}, ",
           N_EINTR + N_RESTART, N_STOP);
    expect("'processes': 2, 'threads': 2, 'images': 1, 'exit_code': 0}");
    expect_print();

    int ends[2];
    must_pipe(ends);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    pid_t pid = must_fork();
    if (pid == 0)
        victim(ends[0]);
    while (shared->phase != 1)
        sched_yield();
    interrupt(pid, SIGUSR1, N_EINTR);
    interrupt(pid, SIGUSR2, N_RESTART);
    wait_until_asleep(pid, pid); // in readv, restarted
    if (write(ends[1], "x", 1) != 1)
        die("write");
    while (shared->phase != 2)
        sched_yield();
    for (int i = 0; i < N_STOP; i++)
        stop_and_continue(pid);
    interrupt(pid, SIGUSR1, 1);
    must_reap(pid);
    return 0;
}
