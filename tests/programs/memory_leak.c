// Takes memory, touches it and never gives it back: memory_leak [MIB], 61 unless told.
// Exits with 3 if the kernel refuses memory before.
#include <sys/mman.h>

#include "expect.h"

#define LEAK_MIB 61
#define MIB      (1024 * 1024L)

int main(int argc, char **argv) {
    long mib = argument(argc, argv, 1, LEAK_MIB);
    expect("{'calls': {'write': 1, 'madvise': %ld}, 'rss_bytes_at_least': %ld, ", mib, mib * MIB);
    expect("'minor_faults_at_least': %ld, ", mib * MIB / sysconf(_SC_PAGESIZE));
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();

    for (long i = 0; i < mib; i++) {
        char *chunk = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            return errno == ENOMEM ? 3 : 99;
        // Without huge pages, each page is one fault.
        madvise(chunk, MIB, MADV_NOHUGEPAGE);
        memset(chunk, 1, MIB);
    }
    return 0;
}
