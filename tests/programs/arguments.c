// Calls that are told apart by their arguments: each in one or two ways, ioctl in many.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "expect.h"

// tests/kernel/test_arguments.py has the same.
#define N_TIMES    5
#define N_REQUESTS 71 // more than are kept of one process image
#define FIRST      0x7000
#define GARBAGE    0x123400000000

int main(void) {
    expect("{'calls': {'socket': %d, 'prctl': %d, 'kill': %d, 'personality': %d, ", 2 * N_TIMES,
           N_TIMES, N_TIMES, N_TIMES);
    expect("'setsockopt': %d, 'ioctl': %d, 'fcntl': 1, 'write': 1}, ", N_TIMES, N_REQUESTS);
    expect("'errors': {'setsockopt': %d, 'ioctl': %d, 'fcntl': 1}, ", N_TIMES, N_REQUESTS);
    expect("'processes': 2, 'threads': 2, 'images': 1, 'exit_code': 0}");
    expect_print();

    for (int i = 0; i < N_TIMES; i++) {
        close(socket(AF_UNIX, SOCK_STREAM, 0));
        close(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        syscall(SYS_prctl, PR_GET_DUMPABLE | GARBAGE, 0, 0, 0, 0);
        kill(getpid(), 0);
        personality(0xffffffff);
        setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, NULL, 0);
    }
    for (int i = 0; i < N_REQUESTS; i++)
        ioctl(-1, FIRST + i);
    munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), 4096);
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(-1, F_GETFD);
        _exit(0);
    }
    must_reap(pid);
    return 0;
}
