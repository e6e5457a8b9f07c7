/* claims MODE N: do something that /proc counts or does not count, N times. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char byte;
static char *volatile nowhere; /* volatile: gcc warns of a plain NULL */
static struct iovec one = {&byte, 1};

static int zero(void) {
    return open("/dev/zero", O_RDWR);
}

static int scratch(void) {
    int fd = memfd_create("claims", 0);
    if (ftruncate(fd, 4096) != 0)
        exit(3);
    return fd;
}

/* fork; the child reads N times and ends, the parent waits if it is told to. */
static void child_reads(int n, int wait_for_it) {
    pid_t pid = fork();
    if (pid == 0) {
        int fd = zero();
        for (int i = 0; i < n; i++)
            if (read(fd, &byte, 1) != 1)
                _exit(4);
        _exit(0);
    }
    if (wait_for_it)
        waitpid(pid, NULL, 0); /* with SIGCHLD ignored: waits too, then fails with ECHILD */
}

static void *thread_reads(void *arg) {
    int fd = zero();
    for (long i = 0; i < (long)arg; i++)
        if (read(fd, &byte, 1) != 1)
            exit(4);
    return NULL;
}

static int repeat(const char *mode, int n) {
    int fd = zero(), file = scratch(), sv[2], ends[2], empty[2], null = open("/dev/null", O_WRONLY);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) || pipe(ends) || pipe2(empty, O_NONBLOCK))
        return 3;
    for (int i = 0; i < n; i++) {
        long r = -2;
        loff_t from = 0, to = 2048;
        off_t at = 0;
#define MODE(name, call)                                                                           \
    if (strcmp(mode, name) == 0)                                                                   \
    r = (call)
        MODE("none", 1);
        MODE("read", read(fd, &byte, 1));
        MODE("readv", readv(fd, &one, 1));
        MODE("pread", pread(file, &byte, 1, 0));
        MODE("preadv", preadv(file, &one, 1, 0));
        MODE("preadv2", preadv2(file, &one, 1, 0, 0));
        MODE("write", write(null, &byte, 1));
        MODE("writev", writev(null, &one, 1));
        MODE("pwrite", pwrite(file, &byte, 1, 0));
        MODE("pwritev", pwritev(file, &one, 1, 0));
        MODE("pwritev2", pwritev2(file, &one, 1, 0, 0));
        MODE("sendfile", sendfile(null, file, &at, 1));
        MODE("copy_file_range", copy_file_range(file, &from, file, &to, 1, 0));
        MODE("send_recv", send(sv[0], &byte, 1, 0) + recv(sv[1], &byte, 1, 0));
        MODE("sendmsg_recvmsg",
             sendmsg(sv[0], &(struct msghdr){.msg_iov = &one, .msg_iovlen = 1}, 0) +
                 recvmsg(sv[1], &(struct msghdr){.msg_iov = &one, .msg_iovlen = 1}, 0));
        MODE("socket_write_read", write(sv[0], &byte, 1) + read(sv[1], &byte, 1));
        MODE("splice",
             splice(fd, NULL, ends[1], NULL, 1, 0) + splice(ends[0], NULL, null, NULL, 1, 0));
        MODE("read_bad_descriptor", read(-1, &byte, 1) == -1);
        MODE("read_write_only", read(null, &byte, 1) == -1);
        MODE("read_empty_pipe", read(empty[0], &byte, 1) == -1 && errno == EAGAIN);
        MODE("read_null_pointer", read(fd, nowhere, 1) == -1 && errno == EFAULT);
        MODE("read_nothing", read(fd, &byte, 0) == 0);
        MODE("read_end_of_file", pread(file, &byte, 1, 1 << 20) == 0);
        MODE("write_bad_descriptor", write(-1, &byte, 1) == -1);
        MODE("write_read_only", write(open("/dev/zero", O_RDONLY), &byte, 1) == -1);
        if (r <= 0)
            return 4;
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "none";
    int n = argc > 2 ? atoi(argv[2]) : 0;

    if (strcmp(mode, "reaped_child") == 0) {
        child_reads(n, 1);
    } else if (strcmp(mode, "orphan") == 0) {
        child_reads(n, 0);
    } else if (strcmp(mode, "child_of_ignorer") == 0) {
        signal(SIGCHLD, SIG_IGN);
        child_reads(n, 1);
    } else if (strcmp(mode, "thread") == 0) {
        pthread_t t;
        pthread_create(&t, NULL, thread_reads, (void *)(long)n);
        pthread_join(t, NULL);
    } else if (strcmp(mode, "killed_in_read") == 0) {
        int ends[2];
        alarm(1);
        return pipe(ends) == 0 && read(ends[0], &byte, 1) == 1;
    } else if (strcmp(mode, "memory") == 0) { /* touch N MiB, give them back, end */
        size_t size = (size_t)n << 20;
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(p, 1, size);
        munmap(p, size);
    } else if (strcmp(mode, "touch_pages") == 0) { /* N minor faults, as the kernel itself counts */
        struct rusage before, after;
        char *p = mmap(NULL, (size_t)n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
        madvise(p, (size_t)n * 4096, MADV_NOHUGEPAGE);
        getrusage(RUSAGE_SELF, &after); /* its code and its result are in memory from here on */
        getrusage(RUSAGE_SELF, &before);
        for (int i = 0; i < n; i++)
            p[i * 4096] = 1;
        getrusage(RUSAGE_SELF, &after);
        if (after.ru_minflt - before.ru_minflt != n)
            return 6;
    } else if (strcmp(mode, "exec") == 0 && n > 0) { /* exec itself N times more */
        char left[16];
        snprintf(left, sizeof left, "%d", n - 1);
        execl("/proc/self/exe", argv[0], "exec", left, NULL);
        return 5;
    } else if (strcmp(mode, "exec") != 0) {
        return repeat(mode, n);
    }
    return 0;
}
