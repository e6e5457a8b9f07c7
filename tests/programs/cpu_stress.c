// Burns CPU in user mode: cpu_stress [MS], 307 ms unless told, 0 = until a limit ends it
// (with SIGXCPU, the soft limit's signal; SIGKILL is the hard one's).
#include <time.h>

#include "expect.h"

#define CPU_MS 307

static volatile sig_atomic_t done;

static void on_timer(int signo) {
    (void)signo;
    done = 1;
}

int main(int argc, char **argv) {
    long ms = argument(argc, argv, 1, CPU_MS);
    // This clock is the scheduler's own sum, which rusage tells as well; ITIMER_PROF's goes by
    // ticks, and on a busy machine a tick may hit a process that ran for a part of it alone.
    struct itimerspec time = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    timer_t timer;
    struct sigaction action = {.sa_handler = on_timer};

    expect("{'calls': {'write': 1, 'timer_create': 1, 'timer_settime': 1");
    if (ms > 0)
        expect(", 'rt_sigreturn': 1");
    expect("}, 'cpu_ms_at_least': %ld, 'processes': 1, 'threads': 1, 'images': 1, ", ms);
    expect(ms > 0 ? "'exit_code': 0}" : "'signal': %d}", SIGXCPU);
    expect_print();

    sigaction(SIGPROF, &action, NULL);
    if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) < 0)
        die("timer_create");
    if (timer_settime(timer, 0, &time, NULL) < 0)
        die("timer_settime");
    volatile unsigned long sum = 0;
    while (!done)
        sum += sum * 31 + 7;
    return 0;
}
