// Runs a command and says what it used: spawn OUT CMD [ARG...]. Writes to the file OUT
//   wall_ns cpu_ns max_rss_bytes exit_status
// of CMD and of the children that it waited for; exit_status is 128+N after signal N.
// It is a program of its own because a process starts with the peak memory of the one that
// it was forked from, which must be small here and is not in Python.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long ns(struct timeval t) {
    return t.tv_sec * 1000000000LL + t.tv_usec * 1000LL;
}

int main(int argc, char **argv) {
    struct rusage used;
    int status;
    if (argc < 3)
        return 99;
    long long start = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
        return 99;
    long long wall = now_ns() - start;
    FILE *out = fopen(argv[1], "w");
    if (!out)
        return 99;
    fprintf(out, "%lld %lld %lld %d\n", wall, ns(used.ru_utime) + ns(used.ru_stime),
            used.ru_maxrss * 1024LL,
            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    return fclose(out) == 0 ? 0 : 99;
}
