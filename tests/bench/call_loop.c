// Times getppid, a call that does next to nothing, or another one without effect:
// call_loop OUT BATCHES CALLS [NUMBER [ARG0 [ARG1]]].
// Writes to the file OUT (-: stdout) how many nanoseconds each of BATCHES times CALLS calls
// took, one number a line, after the last of them. It keeps to the last CPU it may use, so that
// what observes it can have the others. The first batch warms up and is not written.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void pin(void) {
    cpu_set_t allowed, one;
    int last = CPU_SETSIZE - 1;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        exit(99);
    if (CPU_COUNT(&allowed) == 1) // by who started it: a filter may refuse to set it
        return;
    while (last > 0 && !CPU_ISSET(last, &allowed))
        last--;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        exit(99);
}

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); // the vDSO's: no call
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long number = SYS_getppid, args[2];

static long long batch_ns(long calls) {
    long long start = now_ns();
    for (long i = 0; i < calls; i++)
        syscall(number, args[0], args[1]);
    return now_ns() - start;
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 7)
        return 99;
    if (argc > 4)
        number = atol(argv[4]);
    for (int i = 5; i < argc; i++)
        args[i - 5] = atol(argv[i]);
    long batches = atol(argv[2]), calls = atol(argv[3]);
    long long *took = calloc(batches, sizeof(*took));
    if (!took)
        return 99;
    pin();
    batch_ns(calls);
    for (long i = 0; i < batches; i++)
        took[i] = batch_ns(calls);
    FILE *out = strcmp(argv[1], "-") == 0 ? stdout : fopen(argv[1], "w");
    if (!out)
        return 99;
    for (long i = 0; i < batches; i++)
        fprintf(out, "%lld\n", took[i]);
    return fclose(out) == 0 ? 0 : 99;
}
