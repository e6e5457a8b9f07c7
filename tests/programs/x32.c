// x32 numbers (0x40000000 + nr) from 64-bit code, beside x86-64 calls of the same numbers. A
// kernel without x32 fails them with ENOSYS. Exits with 77 on other machines.
#include "expect.h"

#define N_X32_GETPPID 11
#define N_GETPPID     13
#define X32_BIT       0x40000000L

#ifdef __x86_64__
int main(void) {
    expect("{'calls': {'getppid': %d, 'write': 1}, 'errors': {'getppid': 0}, ", N_GETPPID);
    expect("'x32': {'getppid': %d}, ", N_X32_GETPPID);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    for (int i = 0; i < N_X32_GETPPID; i++)
        if (syscall(X32_BIT | SYS_getppid) == -1 && errno != ENOSYS)
            die("x32 getppid");
    call_getppid(N_GETPPID);
    return 0;
}
#else
int main(void) {
    return 77;
}
#endif
