// THREADS threads call getppid in a loop while processes start and end:
// storm [CALLS [PROCESSES]], CALLS for each thread.
#include "expect.h"

#define THREADS   2
#define N_CALLS   50021
#define PROCESSES 101
#define N_CHILD   3

static long calls;

static void *thread(void *unused) {
    (void)unused;
    call_getppid(calls);
    return NULL;
}

int main(int argc, char **argv) {
    calls = argument(argc, argv, 1, N_CALLS);
    long processes = argument(argc, argv, 2, PROCESSES);
    expect("{'calls': {'getppid': %ld, 'clone': %ld, 'wait4': %ld, 'write': 1}, ",
           THREADS * calls + processes * N_CHILD, processes, processes);
    expect("'processes': %ld, 'threads': %ld, 'images': 1, 'exit_code': 0}", processes + 1,
           processes + 1 + THREADS);
    expect_print();
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&ids[i], NULL, thread, NULL) != 0)
            die("pthread_create");
    for (long i = 0; i < processes; i++) {
        pid_t pid = must_fork();
        if (pid == 0) {
            call_getppid(N_CHILD);
            _exit(0);
        }
        must_reap(pid);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
