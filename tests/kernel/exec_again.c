// Tries to execute itself again, by every way and from everywhere; prints what each try gave.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *again[] = {"exec_again", "again", NULL};
static char *empty[] = {NULL};
static int self;

static void try_all(const char *where) {
    const char *path = "/proc/self/exe";
    long numbers[] = {SYS_execve, 520};
    for (int i = 0; i < 2; i++) {
        syscall(numbers[i], path, again, empty, 0L, 0L, 0L);
        dprintf(1, "%s %ld: %d\n", where, numbers[i], errno);
        syscall(numbers[i], path, again, empty, 1L, 0x123456789abcdefL, -1L);
        dprintf(1, "%s %ld: %d\n", where, numbers[i], errno);
    }
    long at[] = {SYS_execveat, 545};
    for (int i = 0; i < 2; i++) {
        syscall(at[i], self, "", again, empty, AT_EMPTY_PATH, 0L);
        dprintf(1, "%s %ld: %d\n", where, at[i], errno);
    }
}

static void *thread(void *unused) {
    (void)unused;
    try_all("thread");
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        dprintf(1, "EXECUTED\n");
        return 3;
    }
    self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    try_all("main");
    pthread_t other;
    if (pthread_create(&other, NULL, thread, NULL) == 0)
        pthread_join(other, NULL);
    pid_t child = fork();
    if (child == 0) {
        try_all("child");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    child = vfork();
    if (child == 0) {
        execve("/proc/self/exe", again, empty);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("vfork: %d\n", WEXITSTATUS(status));
    return 0;
}
