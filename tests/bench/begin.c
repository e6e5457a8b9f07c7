// Says when a command begins, and by its end when it ends: begin FIFO CMD [ARG...].
// Writes the CLOCK_MONOTONIC instant in ns to FIFO, then becomes CMD, which inherits the
// descriptor: the reader of FIFO meets its end when CMD and all its children are gone.
// So a tracer's own start and end are not in the time between, whatever it does there.
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec now;
    if (argc < 3)
        return 99;
    int fifo = open(argv[1], O_WRONLY);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (fifo < 0 || dprintf(fifo, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec) < 0)
        return 99;
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
