// More distinct numbers than a table of fixed size may foresee, in one thread: FIRST to LAST,
// none of which is a syscall, EACH times (each fails with ENOSYS), and one that is.
#include "expect.h"

#define FIRST     600
#define LAST      800
#define EACH      3
#define N_GETPPID 101

int main(void) {
    expect("{'calls': {'getppid': %d, 'write': 1}, 'errors': {'getppid': 0}, ", N_GETPPID);
    expect("'unknown_numbers': {'first': %d, 'last': %d, 'each': %d}, ", FIRST, LAST, EACH);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    for (int i = 0; i < EACH; i++)
        for (int nr = FIRST; nr <= LAST; nr++)
            if (syscall(nr) != -1 || errno != ENOSYS)
                die("not ENOSYS");
    call_getppid(N_GETPPID);
    return 0;
}
