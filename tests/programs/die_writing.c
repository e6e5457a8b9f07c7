// A library to preload: kills its process at the n-th call that changes a file below a folder. Of
// a write it lets the first bytes through, as the kernel does when it kills within write(2).
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long due, let_through, count;

// Counts begin anew. ``number`` 0 kills at none; ``bytes`` is how much of a write is let through.
void die_arm(const char *below, long number, long bytes) {
    snprintf(folder, sizeof(folder), "%s/", below);
    due = number, let_through = bytes, count = 0;
}

// How many calls there were.
long die_count(void) {
    return count;
}

static int is_below(int fd, const char *name) {
    char path[PATH_MAX], link[64];
    ssize_t size;

    if (!*folder)
        return 0;
    if (name && *name == '/')
        return !strncmp(name, folder, strlen(folder));
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof(path) - 2);
    if (size < 0)
        return 0;
    path[size] = '/', path[size + 1] = 0;
    return !strncmp(path, folder, strlen(folder));
}

// The bytes of a write of ``size`` before the death that is due; -1: not due.
static ssize_t dies(int fd, const char *name, size_t size) {
    if (!is_below(fd, name) || ++count != due)
        return -1;
    return let_through < (ssize_t)size ? let_through : (ssize_t)size;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    ssize_t last = dies(fd, NULL, size);

    if (last >= 0) {
        REAL(pwrite64)(fd, data, last, at);
        die();
    }
    return REAL(pwrite64)(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return pwrite64(fd, data, size, at);
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t last = dies(fd, NULL, size);

    if (last >= 0) {
        REAL(write)(fd, data, last);
        die();
    }
    return REAL(write)(fd, data, size);
}

#define DIES_BEFORE(fd, name)                                                                      \
    if (dies(fd, name, 0) >= 0)                                                                    \
    die()

int ftruncate64(int fd, off64_t size) {
    DIES_BEFORE(fd, NULL);
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size) {
    return ftruncate64(fd, size);
}

int unlink(const char *name) {
    DIES_BEFORE(AT_FDCWD, name);
    return REAL(unlink)(name);
}

int unlinkat(int at, const char *name, int flags) {
    DIES_BEFORE(at, name);
    return REAL(unlinkat)(at, name, flags);
}

int rename(const char *old, const char *new) {
    DIES_BEFORE(AT_FDCWD, new);
    return REAL(rename)(old, new);
}

int renameat(int old_at, const char *old, int at, const char *new) {
    DIES_BEFORE(at, new);
    return REAL(renameat)(old_at, old, at, new);
}

int link(const char *old, const char *new) {
    DIES_BEFORE(AT_FDCWD, new);
    return REAL(link)(old, new);
}
