// An ordinary, well-behaved program: it reads a file, allocates, sorts, and says how it went.
// It stays within what the STRICT profile is for.
#include <fcntl.h>

#include "expect.h"

#define N_SEEKS  13
#define N_SORTED 10007

static int compare(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void sort_numbers(void) {
    int *numbers = malloc(N_SORTED * sizeof(*numbers));
    if (!numbers)
        die("malloc");
    unsigned int seed = 1;
    for (int i = 0; i < N_SORTED; i++)
        numbers[i] = seed = seed * 1103515245u + 12345u;
    qsort(numbers, N_SORTED, sizeof(*numbers), compare);
    for (int i = 1; i < N_SORTED; i++)
        if (numbers[i - 1] > numbers[i])
            _exit(99);
    free(numbers);
}

int main(void) {
    char buffer[64];
    expect("{'calls': {'lseek': %d, 'write': 2}, 'errors': {'lseek': 0}, ", N_SEEKS);
    expect("'processes': 1, 'threads': 1, 'images': 1, 'exit_code': 0}");
    expect_print();

    int fd = open("/proc/self/exe", O_RDONLY);
    if (fd < 0)
        die("/proc/self/exe");
    for (int i = 0; i < N_SEEKS; i++)
        if (lseek(fd, i * 16, SEEK_SET) < 0 || read(fd, buffer, sizeof(buffer)) < 0)
            die("read");
    close(fd);
    sort_numbers();
    return write(STDERR_FILENO, "normal_program: done\n", 21) == 21 ? 0 : 99;
}
