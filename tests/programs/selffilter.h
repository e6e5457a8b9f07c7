// A seccomp filter that a program puts on itself, for a run without an outer one.
#ifndef SELFFILTER_H
#define SELFFILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "expect.h"

// Refuse the syscall `nr` with `action` (SECCOMP_RET_…), allow all others.
static void refuse(long nr, unsigned int action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(*code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        die("no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        die("seccomp");
}

// `--self` as first argument: the program brings its own filter. Without it, the caller's
// profile must refuse the call.
static int brings_its_own_filter(int argc, char **argv) {
    return argc > 1 && strcmp(argv[1], "--self") == 0;
}

#endif
