// Burns CPU in user mode: cpu_stress [MS], 307 ms unless told, 0 = until a limit ends it
// (with SIGXCPU, the soft limit's signal; SIGKILL is the hard one's).
#include <sys/time.h>

#include "expect.h"

#define CPU_MS 307

static volatile sig_atomic_t done;

static void on_timer(int signo) {
    (void)signo;
    done = 1;
}

int main(int argc, char **argv) {
    long ms = argument(argc, argv, 1, CPU_MS);
    // ITIMER_PROF counts the CPU time of the process, so the time burnt is exact to a tick.
    struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
    struct sigaction action = {.sa_handler = on_timer};

    expect("{'calls': {'write': 1, 'setitimer': 1");
    if (ms > 0)
        expect(", 'rt_sigreturn': 1");
    expect("}, 'cpu_ms_at_least': %ld, 'processes': 1, 'threads': 1, 'images': 1, ", ms);
    expect(ms > 0 ? "'exit_code': 0}" : "'signal': %d}", SIGXCPU);
    expect_print();

    sigaction(SIGPROF, &action, NULL);
    if (setitimer(ITIMER_PROF, &timer, NULL) < 0)
        die("setitimer");
    volatile unsigned long sum = 0;
    while (!done)
        sum += sum * 31 + 7;
    return 0;
}
