// A thread that is not the leader execs: it takes over the leader's id, all others die.
#include "expect.h"

#define N_LEADER 5
#define N_THREAD 7
#define N_AFTER  11

static char **own_argv;

static void *thread(void *unused) {
    (void)unused;
    call_getppid(N_THREAD);
    char *again[] = {own_argv[0], "after", NULL};
    execv("/proc/self/exe", again);
    die("execv");
}

int main(int argc, char **argv) {
    if (argc > 1) {
        call_getppid(N_AFTER);
        return 0;
    }
    own_argv = argv;
    expect("{'calls': {'getppid': %d, 'execve': 2, 'write': 1}, 'errors': {'execve': 0}, ",
           N_LEADER + N_THREAD + N_AFTER);
    expect("'getppid_by_image': [%d, %d], ", N_LEADER + N_THREAD, N_AFTER);
    expect("'processes': 1, 'images': 2, 'exit_code': 0}");
    expect_print();
    call_getppid(N_LEADER);
    pthread_t other;
    if (pthread_create(&other, NULL, thread, NULL) != 0)
        die("pthread_create");
    pthread_join(other, NULL);
    return 99; // the exec ends this thread in its join
}
