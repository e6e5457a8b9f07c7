// blocked_kill [--self]: getpgid, for which a filter kills the process. Exits with 4 where
// nothing did.
#include "selffilter.h"

#define N_BEFORE 5

static void call_the_forbidden(void) {
    syscall(SYS_getpgid, 0);
}

int main(int argc, char **argv) {
    expect("{'calls': {'getppid': %d, 'write': 1, 'getpgid': 0}, ", N_BEFORE);
    expect("'blocked': {'getpgid': 1}, 'function': 'call_the_forbidden', ");
    expect("'processes': 1, 'threads': 1, 'images': 1, 'signal': %d}", SIGSYS);
    expect_print();
    if (brings_its_own_filter(argc, argv))
        refuse(SYS_getpgid, SECCOMP_RET_KILL_PROCESS);
    call_getppid(N_BEFORE);
    call_the_forbidden();
    return 4;
}
