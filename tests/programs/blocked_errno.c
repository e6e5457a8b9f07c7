// blocked_errno [--self]: getpgid, which a filter refuses with an errno, N times, between
// calls that are allowed. Exits with 4 where nothing refused it.
#include "selffilter.h"

#define N_BLOCKED 23

int main(int argc, char **argv) {
    expect("{'calls': {'getppid': %d, 'write': 1, 'getpgid': 0}, 'errors': {'getppid': 0}, ",
           2 * N_BLOCKED);
    expect("'blocked': {'getpgid': %d}, ", N_BLOCKED);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    if (brings_its_own_filter(argc, argv))
        refuse(SYS_getpgid, SECCOMP_RET_ERRNO | EPERM);
    for (int i = 0; i < N_BLOCKED; i++) {
        call_getppid(2);
        if (syscall(SYS_getpgid, 0) != -1)
            return 4;
    }
    return 0;
}
