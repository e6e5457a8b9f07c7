// Ends as it is told: outcome code N, or outcome signal N.
#include <sys/resource.h>

#include "expect.h"

#define N_GETPPID 29

int main(int argc, char **argv) {
    if (argc != 3)
        return 99;
    int by_signal = strcmp(argv[1], "signal") == 0, number = atoi(argv[2]);
    expect("{'calls': {'getppid': %d, 'write': 1}, ", N_GETPPID);
    expect("'processes': 1, 'threads': 1, 'images': 1, '%s': %d}",
           by_signal ? "signal" : "exit_code", number);
    expect_print();
    call_getppid(N_GETPPID);
    if (!by_signal)
        return number;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(number, SIG_DFL);
    kill(getpid(), number);
    return 99;
}
