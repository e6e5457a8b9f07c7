// Two processes hand a byte to and fro over two pipes: pingpong [ROUNDS]. Static, so that no
// loader reads.
#include "expect.h"

#define ROUNDS 1009

static void hand_over(int fd) {
    if (write(fd, "x", 1) != 1)
        die("write");
}

static void take_over(int fd) {
    char byte;
    if (read(fd, &byte, 1) != 1)
        die("read");
}

int main(int argc, char **argv) {
    long rounds = argument(argc, argv, 1, ROUNDS);
    int there[2], back[2];
    expect("{'calls': {'read': %ld, 'write': %ld, 'clone': 1, 'wait4': 1}, ", 2 * rounds,
           2 * rounds + 1);
    expect("'errors': {'read': 0, 'write': 0}, 'syscr': %ld, 'syscw': %ld, ", 2 * rounds,
           2 * rounds + 1);
    expect("'processes': 2, 'threads': 2, 'images': 1, 'exit_code': 0}");
    expect_print();
    must_pipe(there);
    must_pipe(back);
    pid_t pid = must_fork();
    if (pid == 0) {
        for (long i = 0; i < rounds; i++) {
            take_over(there[0]);
            hand_over(back[1]);
        }
        _exit(0);
    }
    for (long i = 0; i < rounds; i++) {
        hand_over(there[1]);
        take_over(back[0]);
    }
    must_reap(pid);
    return 0;
}
