/* A program in variants that differ by one thing; tests/bench/told.py compiles each. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CALLS
#define CALLS 1000
#endif
#ifndef BYTES
#define BYTES 4096
#endif

int main(void) {
    static char bytes[1 << 16];
    int zero = open("/dev/zero", O_RDONLY);

    if (zero < 0)
        return EXIT_FAILURE;
    for (int i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    for (int i = 0; i < 200; i++)
        if (read(zero, bytes, BYTES) != BYTES)
            return EXIT_FAILURE;
#ifdef ONE_MORE
    syscall(SYS_getpgid, 0);
#endif
    return EXIT_SUCCESS;
}
