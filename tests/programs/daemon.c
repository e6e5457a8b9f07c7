// A daemon that outlives the command: daemon [N]. It begins once its parent is gone.
#include "expect.h"

#define N_DAEMON 101

int main(int argc, char **argv) {
    long n = argument(argc, argv, 1, N_DAEMON);
    int parent[2];
    expect("{'calls': {'clone': 1, 'setsid': 1, 'getppid': %ld, 'write': 1}, ", n);
    expect("'errors': {'setsid': 0}, ");
    expect("'processes': 2, 'threads': 2, 'images': 1, 'exit_code': 0}");
    expect_print();

    must_pipe(parent);
    if (must_fork() == 0) {
        if (setsid() < 0)
            die("setsid");
        close(parent[1]);
        wait_for_close(parent[0]);
        call_getppid(n);
        _exit(0);
    }
    return 0;
}
