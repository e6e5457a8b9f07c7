// N_SIGNALS signals to itself: each handler ends with rt_sigreturn, whose exit carries no
// number of its own.
#include "expect.h"

#define N_SIGNALS 101

static volatile sig_atomic_t handled;

static void on_signal(int signo) {
    (void)signo;
    handled++;
    syscall(SYS_getppid);
}

int main(void) {
    expect("{'calls': {'kill': %d, 'rt_sigreturn': %d, 'getppid': %d, 'write': 1}, ", N_SIGNALS,
           N_SIGNALS, N_SIGNALS);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < N_SIGNALS; i++)
        kill(getpid(), SIGUSR1);
    return handled == N_SIGNALS ? 0 : 99;
}
