// Breaks a profile that forbids processes: spawn_helper() forks. `sbtrace why` must name it.
// Where nothing forbids it, the child calls getppid and all is well.
#include "expect.h"

#define N_BEFORE 11
#define N_CHILD  7

static void spawn_helper(void) {
    pid_t pid = fork();
    if (pid < 0)
        _exit(4);
    if (pid == 0) {
        call_getppid(N_CHILD);
        _exit(0);
    }
    must_reap(pid);
}

static void do_work(void) {
    call_getppid(N_BEFORE);
    spawn_helper();
}

int main(void) {
    expect("{'calls': {'getppid': %d, 'clone': 1, 'wait4': 1, 'write': 1}, ", N_BEFORE + N_CHILD);
    expect("'processes': 2, 'threads': 2, 'images': 1, 'exit_code': 0, 'if_fork_is_killed': ");
    expect("{'calls': {'getppid': %d, 'wait4': 0, 'write': 1}, 'blocked': {'clone': 1}, ",
           N_BEFORE);
    expect("'processes': 1, 'signal': %d, 'function': 'spawn_helper'}}", SIGSYS);
    expect_print();
    do_work();
    return 0;
}
