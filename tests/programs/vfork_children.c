// vfork: the child borrows the parent's memory and thread. vfork_children [N].
#include "expect.h"

#define N_VFORK 7

int main(int argc, char **argv) {
    long n = argument(argc, argv, 1, N_VFORK);
    expect("{'calls': {'vfork': %ld, 'wait4': %ld, 'getppid': %ld, 'write': 1}, ", n, n, n);
    expect("'errors': {'vfork': 0, 'wait4': 0}, ");
    expect("'processes': %ld, 'threads': %ld, 'images': 1, 'exit_code': 0}", n + 1, n + 1);
    expect_print();
    for (long i = 0; i < n; i++) {
        pid_t pid = vfork();
        if (pid < 0)
            die("vfork");
        if (pid == 0) {
            syscall(SYS_getppid);
            _exit(0);
        }
        must_reap(pid);
    }
    return 0;
}
