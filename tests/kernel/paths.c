// paths WAY: calls with paths that a filter refuses, for tests/kernel/test_paths.py.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATHS 7
#define TIMES 3
#define MORE  2053 // beyond what a run keeps

// One buffer and one place in the code: the registers are the same for every path.
static void make(const char *path) {
    static char buffer[512];
    strcpy(buffer, path);
    syscall(SYS_mkdirat, AT_FDCWD, buffer, 0700, 0, 0, 0);
}

static void numbered(int count) {
    char path[32];
    for (int i = 0; i < count; i++) {
        sprintf(path, "/path/%d", i);
        make(path);
    }
}

static void odd(void) {
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char longest[400] = {0};
    syscall(SYS_mkdirat, AT_FDCWD, page, 0700, 0, 0, 0);
    syscall(SYS_mkdirat, AT_FDCWD, NULL, 0700, 0, 0, 0);
    syscall(SYS_renameat2, AT_FDCWD, "from \"\xff\n", AT_FDCWD, page, 0, 0);
    syscall(SYS_renameat2, AT_FDCWD, "from", AT_FDCWD, "to", 0, 0);
    memset(longest, 'x', sizeof(longest) - 1);
    make(longest);
    make("");
}

// Gone before it makes the call, as installers do.
static void unlinked(const char *self) {
    if (unlink(self))
        exit(99);
    make("/gone");
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    if (strcmp(way, "numbered") == 0)
        for (int i = 0; i < TIMES; i++)
            numbered(PATHS);
    else if (strcmp(way, "more") == 0)
        numbered(MORE);
    else if (strcmp(way, "odd") == 0)
        odd();
    else if (strcmp(way, "unlinked") == 0)
        unlinked(argv[0]);
    else
        return 99;
    return 0;
}
