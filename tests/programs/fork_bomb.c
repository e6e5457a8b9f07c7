// A fork bomb with an end: fork_bomb [GENERATIONS], 5 unless told, 2**GENERATIONS processes,
// all alive at once. Exits with 4 if any fork was refused.
#include "expect.h"

#define GENERATIONS 5

int main(int argc, char **argv) {
    long generations = argument(argc, argv, 1, GENERATIONS);
    long processes = 1L << generations;
    int forking[2], gate[2];
    int refused = 0, children = 0, first;
    expect("{'calls': {'clone': %ld, 'write': 1}, 'errors': {'clone': 0}, ", processes - 1);
    expect("'processes': %ld, 'threads': %ld, 'images': 1, ", processes, processes);
    expect("'exit_code': 0, 'if_fork_is_killed': {'blocked': {'clone': 1}, 'signal': %d}}", SIGSYS);
    expect_print();

    must_pipe(forking);
    must_pipe(gate);
    first = getpid();
    for (long i = 0; i < generations; i++) {
        pid_t pid = fork();
        if (pid < 0)
            refused = 1;
        else if (pid > 0)
            children++;
        else
            children = refused = 0;
    }
    // Nobody leaves before the last has forked: the first waits for all others to be done
    // (they close `forking`), then opens the gate for them by closing its end.
    close(forking[1]);
    if (getpid() == first)
        wait_for_close(forking[0]);
    close(gate[1]);
    wait_for_close(gate[0]);
    for (int status; children > 0; children--)
        if (wait(&status) < 0 || status != 0)
            refused = 1;
    return refused ? 4 : 0;
}
