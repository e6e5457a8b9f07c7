// A grandchild whose parent is gone, so that it is adopted; the command outlives it.
#include "expect.h"

#define N_GRANDCHILD 23
#define N_CHILD      5

int main(void) {
    int alive[2], parent[2];
    expect("{'calls': {'clone': 2, 'getppid': %d, 'wait4': 1, 'write': 1}, ",
           N_CHILD + N_GRANDCHILD);
    expect("'processes': 3, 'threads': 3, 'images': 1, 'exit_code': 0}");
    expect_print();

    must_pipe(alive);
    pid_t child = must_fork();
    if (child == 0) {
        must_pipe(parent);
        if (must_fork() == 0) {
            close(parent[1]);
            wait_for_close(parent[0]);
            call_getppid(N_GRANDCHILD);
            _exit(0);
        }
        call_getppid(N_CHILD);
        _exit(0);
    }
    close(alive[1]);
    must_reap(child);
    wait_for_close(alive[0]);
    return 0;
}
