// clone3 by number: processes by N_CLONE3 calls, and one call that the kernel fails.
#include <linux/sched.h>

#include "expect.h"

#define N_CLONE3 5
#define N_CHILD  3

int main(void) {
    expect("{'calls': {'clone3': %d, 'getppid': %d, 'wait4': %d, 'write': 1}, ", N_CLONE3 + 1,
           N_CLONE3 * N_CHILD, N_CLONE3);
    expect("'errors': {'clone3': 1, 'wait4': 0}, ");
    expect("'processes': %d, 'threads': %d, 'images': 1, 'exit_code': 0}", N_CLONE3 + 1,
           N_CLONE3 + 1);
    expect_print();
    for (int i = 0; i < N_CLONE3; i++) {
        struct clone_args args = {.exit_signal = SIGCHLD};
        long pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
            die("clone3");
        if (pid == 0) {
            call_getppid(N_CHILD);
            _exit(0);
        }
        must_reap(pid);
    }
    struct clone_args wrong = {.exit_signal = 0xffff};
    return syscall(SYS_clone3, &wrong, sizeof(wrong)) == -1 && errno == EINVAL ? 0 : 99;
}
