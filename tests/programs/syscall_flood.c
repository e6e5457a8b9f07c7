// Floods the kernel with cheap calls: syscall_flood [GETPPIDS [WRITES]].
#include "expect.h"

#define N_GETPPID 10007
#define N_WRITE   4099

int main(int argc, char **argv) {
    long getppids = argument(argc, argv, 1, N_GETPPID);
    long writes = argument(argc, argv, 2, N_WRITE);
    expect("{'calls': {'getppid': %ld, 'write': %ld}, ", getppids, writes + 1);
    expect("'errors': {'getppid': 0, 'write': 0}, ");
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();

    call_getppid(getppids);
    for (long i = 0; i < writes; i++)
        if (write(STDOUT_FILENO, "", 0) != 0) // needs no file that a profile might refuse
            die("write");
    return 0;
}
