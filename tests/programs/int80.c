// i386 calls by `int $0x80` from 64-bit code, beside x86-64 calls of the same numbers:
// 64 is getppid and semget, 20 is getpid and writev. Exits with 77 on other machines.
#include "expect.h"

#include <sys/uio.h>

#define N_I386_GETPPID 11
#define N_I386_GETPID  7
#define N_SEMGET       13
#define N_WRITEV       17
#define NO_SUCH_KEY    0x5b7ace

#ifdef __x86_64__
static long int80(long nr) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void) {
    expect("{'calls': {'semget': %d, 'writev': %d, 'getppid': 1, 'getpid': 1, 'write': 1}, ",
           N_SEMGET, N_WRITEV);
    expect("'errors': {'semget': %d, 'writev': %d}, ", N_SEMGET, N_WRITEV);
    expect("'i386': {'getppid': %d, 'getpid': %d}, ", N_I386_GETPPID, N_I386_GETPID);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();
    long parent = getppid(), own = getpid();
    for (int i = 0; i < N_I386_GETPPID; i++)
        if (int80(64) != parent)
            return 99;
    for (int i = 0; i < N_SEMGET; i++)
        if (syscall(64, NO_SUCH_KEY, 0, 0) != -1 || errno != ENOENT)
            die("semget");
    for (int i = 0; i < N_I386_GETPID; i++)
        if (int80(20) != own)
            return 99;
    for (int i = 0; i < N_WRITEV; i++)
        if (syscall(20, -1, NULL, 0) != -1 || errno != EBADF)
            die("writev");
    return 0;
}
#else
int main(void) {
    return 77;
}
#endif
