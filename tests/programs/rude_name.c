// Names itself with a terminal escape, a newline, a quote and a byte that is not UTF-8.
#include <sys/prctl.h>

#include "expect.h"

#define N_GETPPID 37

int main(void) {
    expect("{'calls': {'getppid': %d, 'prctl': 1, 'write': 1}, ", N_GETPPID);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    prctl(PR_SET_NAME, "\033[31m\xff\n\"rude");
    call_getppid(N_GETPPID);
    return 0;
}
