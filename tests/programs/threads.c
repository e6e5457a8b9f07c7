// THREADS threads, all alive at once, of N calls each: threads [THREADS [N]].
#include "expect.h"

#define THREADS 7
#define N_CALLS 1009

static pthread_barrier_t all_here;
static long calls;

static void *thread(void *unused) {
    (void)unused;
    pthread_barrier_wait(&all_here);
    call_getppid(calls);
    return NULL;
}

int main(int argc, char **argv) {
    long threads = argument(argc, argv, 1, THREADS);
    calls = argument(argc, argv, 2, N_CALLS);
    expect("{'calls': {'getppid': %ld, 'write': 1}, 'getppid_per_thread': %ld, ", threads * calls,
           calls);
    expect("'processes': 1, 'threads': %ld, 'images': 1, 'exit_code': 0}", threads + 1);
    expect_print();

    pthread_t *ids = calloc(threads, sizeof(*ids));
    if (!ids)
        die("calloc");
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    pthread_barrier_init(&all_here, NULL, threads);
    for (long i = 0; i < threads; i++)
        if (pthread_create(&ids[i], &small, thread, NULL) != 0)
            die("pthread_create");
    for (long i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
