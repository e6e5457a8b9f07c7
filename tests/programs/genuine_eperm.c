// An EPERM that is the kernel's own, not a filter's: setsid by the leader of a process group.
#include "expect.h"

#define N_EPERM 19

int main(void) {
    expect("{'calls': {'setsid': %d, 'write': 1}, 'errors': {'setsid': %d}, ", N_EPERM, N_EPERM);
    expect("'blocked': {'setsid': 0}, ");
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    setpgid(0, 0); // fails only where it leads a session already, which serves as well
    for (int i = 0; i < N_EPERM; i++)
        if (setsid() != -1 || errno != EPERM)
            die("setsid");
    return 0;
}
