// blocked_kill_thread [--self]: THREADS threads call getpgid, for which a filter kills the
// thread alone; the first thread goes on. Exits with 4 where nothing did.
#include "selffilter.h"

#define THREADS  3
#define N_BEFORE 11
#define N_AFTER  13

static volatile int survivors;

static void *thread(void *unused) {
    (void)unused;
    call_getppid(N_BEFORE);
    syscall(SYS_getpgid, 0);
    survivors++;
    return NULL;
}

int main(int argc, char **argv) {
    expect("{'calls': {'getppid': %d, 'write': 1, 'getpgid': 0}, ", THREADS * N_BEFORE + N_AFTER);
    expect("'blocked': {'getpgid': %d}, ", THREADS);
    expect("'processes': 1, 'threads': %d, 'images': 1, 'exit_code': 0}", THREADS + 1);
    expect_print();
    if (brings_its_own_filter(argc, argv))
        refuse(SYS_getpgid, SECCOMP_RET_KILL_THREAD);
    for (int i = 0; i < THREADS; i++) {
        pthread_t id;
        if (pthread_create(&id, NULL, thread, NULL) != 0)
            die("pthread_create");
        pthread_join(id, NULL); // the kernel tells of a killed thread's end too
    }
    call_getppid(N_AFTER);
    return survivors ? 4 : 0;
}
