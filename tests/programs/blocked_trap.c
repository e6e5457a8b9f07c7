// blocked_trap [--self]: getpgid, which a filter refuses with SIGSYS, N times; a handler
// counts. Exits with 4 where nothing refused it.
#include "selffilter.h"

#define N_BLOCKED 23

static volatile sig_atomic_t trapped;

static void on_sigsys(int signo, siginfo_t *info, void *context) {
    (void)signo;
    (void)context;
    if (info->si_code == 1 /* SYS_SECCOMP */ && info->si_syscall == SYS_getpgid)
        trapped++;
}

int main(int argc, char **argv) {
    expect("{'calls': {'getppid': %d, 'rt_sigreturn': %d, 'write': 1, 'getpgid': 0}, ", N_BLOCKED,
           N_BLOCKED);
    expect("'blocked': {'getpgid': %d}, ", N_BLOCKED);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    if (brings_its_own_filter(argc, argv))
        refuse(SYS_getpgid, SECCOMP_RET_TRAP);
    for (int i = 0; i < N_BLOCKED; i++) {
        call_getppid(1);
        syscall(SYS_getpgid, 0);
    }
    return trapped == N_BLOCKED ? 0 : 4;
}
