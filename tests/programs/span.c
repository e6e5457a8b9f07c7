// Prints how long it took from its own first instruction to just before its end, by
// CLOCK_MONOTONIC. It waits a while in between, without using a CPU.
#include <stdio.h>
#include <time.h>

#define WAIT_NS 7000000

static struct timespec began;

__attribute__((constructor)) static void note(void) {
    clock_gettime(CLOCK_MONOTONIC, &began);
}

int main(void) {
    struct timespec now, wait = {0, WAIT_NS};

    nanosleep(&wait, NULL);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("{\"span_ns\": %lld}\n",
           (now.tv_sec - began.tv_sec) * 1000000000LL + now.tv_nsec - began.tv_nsec);
    return 0;
}
