// posix_spawn: N_SPAWN children that exec this program again, and one whose file is missing.
#include <spawn.h>

#include "expect.h"

#define N_SPAWN 3
#define N_CHILD 17

int main(int argc, char **argv) {
    if (argc > 1) {
        call_getppid(N_CHILD);
        return 0;
    }
    // One execve is that of the command itself; the failed one is made by a child too.
    expect("{'calls': {'execve': %d, 'getppid': %d, 'write': 1}, 'errors': {'execve': 1}, ",
           1 + N_SPAWN + 1, N_SPAWN * N_CHILD);
    expect("'processes': %d, 'threads': %d, 'images': %d, 'exit_code': 0}", 1 + N_SPAWN + 1,
           1 + N_SPAWN + 1, 1 + N_SPAWN);
    expect_print();

    char *child[] = {argv[0], "child", NULL}, *none[] = {NULL};
    pid_t pid;
    for (int i = 0; i < N_SPAWN; i++) {
        if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, child, none) != 0)
            die("posix_spawn");
        must_reap(pid);
    }
    return posix_spawn(&pid, "/no/such/file", NULL, NULL, child, none) == ENOENT ? 0 : 99;
}
