// Processes that live for a moment: short_processes [PROCESSES [THREADS [N [FAILING]]]].
// Each has THREADS threads, its first one included, of N calls each; FAILING calls of its first
// one fail, which makes the record of its end larger.
#include "expect.h"

#define PROCESSES 211
#define THREADS   3
#define N_CALLS   17

static long calls, failing;

static void *thread(void *unused) {
    (void)unused;
    call_getppid(calls);
    return NULL;
}

static void live(long threads) {
    pthread_t ids[threads];
    for (long i = 1; i < threads; i++)
        if (pthread_create(&ids[i], NULL, thread, NULL) != 0)
            die("pthread_create");
    call_getppid(calls);
    for (long i = 0; i < failing; i++)
        close(-1);
    for (long i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    _exit(0);
}

int main(int argc, char **argv) {
    long processes = argument(argc, argv, 1, PROCESSES), threads = argument(argc, argv, 2, THREADS);
    calls = argument(argc, argv, 3, N_CALLS), failing = argument(argc, argv, 4, 0);
    expect("{'calls': {'getppid': %ld, 'clone': %ld, 'wait4': %ld, 'write': 1}, ",
           processes * threads * calls, processes, processes);
    expect("'errors': {'clone': 0, 'wait4': 0}, 'getppid_per_thread': %ld, ", calls);
    expect("'processes': %ld, 'threads': %ld, ", processes + 1, processes * threads + 1);
    expect("'images': 1, 'exit_code': 0}");
    expect_print();
    for (long i = 0; i < processes; i++) {
        pid_t pid = must_fork();
        if (pid == 0)
            live(threads);
        must_reap(pid);
    }
    return 0;
}
