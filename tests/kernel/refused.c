// refused WAY [N]: calls that a filter refuses or logs, for tests/kernel/test_blocked.py.
// The filter is the caller's, unless WAY says what it brings. The refused call is getpgid.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long count;

static void die(const char *what) {
    perror(what);
    exit(99);
}

static void filter_getpgid(unsigned int action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(*code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &filter))
        die("filter");
}

// From one place in the code and with all six registers set, so that only the argument tells
// two calls apart.
static void call(long argument) {
    syscall(SYS_getpgid, argument, 0, 0, 0, 0, 0);
}

static void *calls(void *unused) {
    (void)unused;
    for (long i = 0; i < count; i++)
        call(0);
    return NULL;
}

static void in_thread(void) {
    pthread_t id;
    if (pthread_create(&id, NULL, calls, NULL) || pthread_join(id, NULL))
        die("thread");
}

static void in_child(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        calls(NULL);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
}

// A call of 50 ms, a refused one, a fast one: whose time is whose?
static void between_calls(void) {
    for (long i = 0; i < count; i++) {
        poll(NULL, 0, 50);
        call(0);
        syscall(SYS_getppid);
    }
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    count = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    if (strcmp(way, "same") == 0)
        calls(NULL);
    else if (strcmp(way, "distinct") == 0)
        for (long i = 0; i < count; i++)
            call(i);
    else if (strcmp(way, "thread") == 0)
        in_thread();
    else if (strcmp(way, "child") == 0)
        in_child();
    else if (strcmp(way, "between") == 0)
        between_calls();
    else if (strcmp(way, "tracer") == 0) { // SECCOMP_RET_TRACE without a tracer: ENOSYS
        filter_getpgid(SECCOMP_RET_TRACE);
        calls(NULL);
    } else if (strcmp(way, "logged") == 0) {
        filter_getpgid(SECCOMP_RET_LOG);
        calls(NULL);
    } else if (strcmp(way, "zero") == 0) { // an ERRNO action that pretends success
        filter_getpgid(SECCOMP_RET_ERRNO);
        calls(NULL);
    } else {
        fprintf(stderr, "refused: no such way: %s\n", way);
        return 99;
    }
    return 0;
}
