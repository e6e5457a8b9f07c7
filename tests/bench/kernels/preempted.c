// preempted WORKERS CALLS INTERRUPTIONS CHILDREN: tasks of one processor that preempt each other in
// the middle of their calls, and so in whatever the kernel runs at both ends of a call.
//
// WORKERS threads call getppid, getpgid and close(-1) CALLS times each, and CHILDREN processes are
// made by the first one, each of which executes this program again to call getppid LEAF times.
// Two real-time threads sleep for moments and call getppid INTERRUPTIONS times each: whenever one
// wakes, it goes before all others, wherever those are. Exits with 99 where that cannot be done.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEAF 7

static long calls, interruptions;

static void die(const char *what) {
    perror(what);
    _exit(99);
}

static void stay_here(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof(one), &one))
        die("sched_setaffinity");
}

static void *work(void *unused) {
    for (long i = 0; i < calls; i++) {
        syscall(SYS_getppid);
        syscall(SYS_getpgid, 0);
        syscall(SYS_close, -1);
    }
    return unused;
}

static void *interrupt(void *priority) {
    struct sched_param param = {.sched_priority = (int)(long)priority};
    struct timespec moment = {.tv_nsec = 70000 + 13000 * (long)priority};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
        die("pthread_setschedparam");
    for (long i = 0; i < interruptions; i++) {
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
        syscall(SYS_getppid);
    }
    return NULL;
}

static void leaf(void) {
    for (long i = 0; i < LEAF; i++)
        syscall(SYS_getppid);
    _exit(0);
}

static void have_child(const char *self) {
    int status;
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        execl(self, self, "leaf", NULL);
        die(self);
    }
    if (waitpid(pid, &status, 0) != pid || status)
        die("child");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "leaf") == 0)
        leaf();
    if (argc != 5)
        return 2;
    long workers = atol(argv[1]), children = atol(argv[4]);
    pthread_t ids[workers + 2];
    calls = atol(argv[2]), interruptions = atol(argv[3]);
    stay_here();
    for (long i = 0; i < 2; i++)
        if (pthread_create(&ids[i], NULL, interrupt, (void *)(i + 1)))
            die("pthread_create");
    for (long i = 0; i < workers; i++)
        if (pthread_create(&ids[2 + i], NULL, work, NULL))
            die("pthread_create");
    for (long i = 0; i < children; i++)
        have_child(argv[0]);
    for (long i = 0; i < workers + 2; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
