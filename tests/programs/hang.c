// Waits for ever: hang [deaf]. "deaf" ignores what asks it to end.
#include "expect.h"

#define N_GETPPID 31

int main(int argc, char **argv) {
    expect("{'calls': {'getppid': %d, 'write': 1}, ", N_GETPPID);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'signal': %d}", SIGKILL);
    if (argc > 1 && strcmp(argv[1], "deaf") == 0) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
    }
    // Last, so that who reads the line knows that the program hangs now.
    call_getppid(N_GETPPID);
    expect_print();
    for (;;)
        pause();
}
