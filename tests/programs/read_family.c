// Every member of the read and write families, each a prime number of times, and beside them
// what /proc/PID/io makes of it: syscr and syscw count what reaches the file, not the calls.
// Static, so that no loader reads. The command's exec itself adds to syscr.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "expect.h"

#define N_READ            3
#define N_PREAD64         5
#define N_READV           7
#define N_PREADV          11
#define N_PREADV2         13
#define N_WRITE           17
#define N_PWRITE64        19
#define N_WRITEV          23
#define N_PWRITEV         29
#define N_PWRITEV2        31
#define N_SENDFILE        37
#define N_COPY_FILE_RANGE 41
#define N_SPLICE          43
#define N_RECVFROM        47
#define N_SENDTO          53
#define N_RECVMSG         59
#define N_SENDMSG         61
#define N_BAD_READ        67
#define N_BAD_WRITE       71
#define N_DIRECTORY_READ  73
#define N_EMPTY_READ      79
#define BAD_FD            -1

// Do `call` n times; each must move one byte.
#define REPEAT(n, call)                                                                            \
    do {                                                                                           \
        for (int i_ = 0; i_ < (n); i_++)                                                           \
            if ((call) != 1)                                                                       \
                die(#call);                                                                        \
    } while (0)
// Do `call` n times; each must fail with `reason`.
#define REPEAT_FAILING(n, reason, call)                                                            \
    do {                                                                                           \
        for (int i_ = 0; i_ < (n); i_++)                                                           \
            if ((call) != -1 || errno != (reason))                                                 \
                die(#call);                                                                        \
    } while (0)

static char byte = 'x';
static struct iovec one = {.iov_base = &byte, .iov_len = 1};

static void announce(void) {
    expect("{'calls': {'read': %d, 'pread64': %d, 'readv': %d, 'preadv': %d, 'preadv2': %d, ",
           N_READ + N_BAD_READ + N_DIRECTORY_READ + N_EMPTY_READ, N_PREAD64, N_READV, N_PREADV,
           N_PREADV2);
    expect("'write': %d, 'pwrite64': %d, 'writev': %d, 'pwritev': %d, 'pwritev2': %d, ",
           1 + N_WRITE + N_BAD_WRITE, N_PWRITE64, N_WRITEV, N_PWRITEV, N_PWRITEV2);
    expect("'sendfile': %d, 'copy_file_range': %d, 'splice': %d, ", N_SENDFILE, N_COPY_FILE_RANGE,
           N_SPLICE);
    expect("'recvfrom': %d, 'sendto': %d, 'recvmsg': %d, 'sendmsg': %d}, ", N_RECVFROM, N_SENDTO,
           N_RECVMSG, N_SENDMSG);
    expect("'errors': {'read': %d, 'write': %d, 'recvfrom': 0, 'sendfile': 0}, ",
           N_BAD_READ + N_DIRECTORY_READ + N_EMPTY_READ, N_BAD_WRITE);
    // A read that fails in the file counts; one that finds no file does not.
    expect("'syscr': %d, ", N_READ + N_PREAD64 + N_READV + N_PREADV + N_PREADV2 + N_SENDFILE +
                                N_COPY_FILE_RANGE + N_DIRECTORY_READ + N_EMPTY_READ);
    expect("'syscw': %d, ", 1 + N_WRITE + N_PWRITE64 + N_WRITEV + N_PWRITEV + N_PWRITEV2 +
                                N_SENDFILE + N_COPY_FILE_RANGE);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
}

static void files(int from, int to) {
    REPEAT(N_WRITE, write(from, &byte, 1));
    REPEAT(N_PWRITE64, pwrite(from, &byte, 1, 0));
    REPEAT(N_WRITEV, writev(from, &one, 1));
    REPEAT(N_PWRITEV, pwritev(from, &one, 1, 0));
    REPEAT(N_PWRITEV2, pwritev2(from, &one, 1, 0, RWF_DSYNC));
    lseek(from, 0, SEEK_SET);
    REPEAT(N_READ, read(from, &byte, 1));
    REPEAT(N_PREAD64, pread(from, &byte, 1, 0));
    REPEAT(N_READV, readv(from, &one, 1));
    REPEAT(N_PREADV, preadv(from, &one, 1, 0));
    REPEAT(N_PREADV2, preadv2(from, &one, 1, 0, RWF_HIPRI));
    for (int i = 0; i < N_SENDFILE; i++) {
        off_t start = 0;
        if (sendfile(to, from, &start, 1) != 1)
            die("sendfile");
    }
    for (int i = 0; i < N_COPY_FILE_RANGE; i++) {
        off_t start = 0;
        if (copy_file_range(from, &start, to, NULL, 1, 0) != 1)
            die("copy_file_range");
    }
}

static void pipes_and_sockets(int file) {
    int ends[2], pair[2];
    if (pipe2(ends, O_NONBLOCK) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        die("pipe2");
    REPEAT_FAILING(N_EMPTY_READ, EAGAIN, read(ends[0], &byte, 1));
    for (int i = 0; i < N_SPLICE; i++) {
        off_t start = 0;
        if (splice(file, &start, ends[1], NULL, 1, SPLICE_F_NONBLOCK) != 1)
            die("splice");
        if (i % 8 == 7) { // a pipe has sixteen slots, and each splice takes one

            close(ends[0]);
            close(ends[1]);
            if (pipe2(ends, O_NONBLOCK) < 0)
                die("pipe2");
        }
    }
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    REPEAT(N_SENDTO, sendto(pair[0], &byte, 1, 0, NULL, 0));
    REPEAT(N_SENDMSG, sendmsg(pair[0], &message, 0));
    REPEAT(N_RECVFROM, recvfrom(pair[1], &byte, 1, 0, NULL, NULL));
    REPEAT(N_RECVMSG, recvmsg(pair[1], &message, 0));
}

int main(void) {
    announce();
    int from = memfd_create("from", 0), to = memfd_create("to", 0);
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    if (from < 0 || to < 0 || directory < 0)
        die("open");
    files(from, to);
    pipes_and_sockets(from);
    REPEAT_FAILING(N_BAD_READ, EBADF, read(BAD_FD, &byte, 1));
    REPEAT_FAILING(N_BAD_WRITE, EBADF, write(BAD_FD, &byte, 1));
    REPEAT_FAILING(N_DIRECTORY_READ, EISDIR, read(directory, &byte, 1));
    return 0;
}
