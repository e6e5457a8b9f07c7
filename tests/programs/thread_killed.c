// Tasks that die in the middle of a call: THREADS threads in readv when the process exits, a
// child in rt_sigsuspend that is killed, and a thread in recvfrom that is cancelled (its
// call does return: the kernel interrupts it for the handler that ends the thread).
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "asleep.h"

#define THREADS 7

static int never[2], pair[2];
static atomic_int announced[THREADS + 1];

static void *read_for_ever(void *slot) {
    char byte;
    struct iovec one = {.iov_base = &byte, .iov_len = 1};
    atomic_store((atomic_int *)slot, gettid());
    readv(never[0], &one, 1);
    return NULL;
}

static void *receive_for_ever(void *slot) {
    char byte;
    atomic_store((atomic_int *)slot, gettid());
    recvfrom(pair[0], &byte, 1, 0, NULL, NULL);
    return NULL;
}

static pthread_t start(void *(*body)(void *), int index) {
    pthread_t id;
    if (pthread_create(&id, NULL, body, &announced[index]) != 0)
        die("pthread_create");
    while (!atomic_load(&announced[index]))
        sched_yield();
    wait_until_asleep(getpid(), announced[index]);
    return id;
}

static void kill_a_child(void) {
    int ready[2], status;
    sigset_t none;
    sigemptyset(&none);
    must_pipe(ready);
    pid_t pid = must_fork();
    if (pid == 0) {
        close(ready[1]); // the last copy is the parent's
        sigsuspend(&none);
        _exit(99);
    }
    close(ready[0]);
    close(ready[1]);
    wait_until_asleep(pid, pid);
    if (kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
        die("kill");
    if (!WIFSIGNALED(status))
        _exit(99);
}

int main(void) {
    expect("{'calls': {'readv': %d, 'rt_sigsuspend': 1, 'recvfrom': 1, 'clone': 1, 'write': 1, ",
           THREADS);
    expect("'exit_group': 1}, 'errors': {'recvfrom': 1}, 'unfinished': ");
    expect("{'readv': %d, 'rt_sigsuspend': 1, 'recvfrom': 0, 'exit_group': 1}, ", THREADS);
    expect("'processes': 2, 'threads': %d, 'images': 1, 'exit_code': 0}", 2 + THREADS + 1);
    expect_print();

    must_pipe(never);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        die("socketpair");
    kill_a_child();
    pthread_t cancelled = start(receive_for_ever, THREADS);
    pthread_cancel(cancelled);
    pthread_join(cancelled, NULL);
    for (int i = 0; i < THREADS; i++)
        start(read_for_ever, i);
    _exit(0);
}
