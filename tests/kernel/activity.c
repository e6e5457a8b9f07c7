// One deed of a class of activity, by name: the call is made, whatever the kernel says to it.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void jit(void) {
    unsigned char *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code != MAP_FAILED)
        mprotect(code, 4096, PROT_READ | PROT_EXEC);
}

static void io_uring(void) {
    struct io_uring_params params = {0};
    long ring = syscall(SYS_io_uring_setup, 1, &params);
    if (ring >= 0)
        syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0);
}

int main(int argc, char **argv) {
    const char *deed = argc > 1 ? argv[1] : "nothing";
    if (!strcmp(deed, "nothing"))
        return 0;
    if (!strcmp(deed, "loop"))
        for (volatile long i = 0; i < 20000000; i++)
            ;
    else if (!strcmp(deed, "setuid"))
        syscall(SYS_setuid, 0);
    else if (!strcmp(deed, "securebits"))
        prctl(PR_SET_SECUREBITS, 0);
    else if (!strcmp(deed, "no_new_privs"))
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    else if (!strcmp(deed, "module"))
        syscall(SYS_init_module, NULL, 0, "");
    else if (!strcmp(deed, "mount"))
        syscall(SYS_umount2, "/no/such/place", 0);
    else if (!strcmp(deed, "namespace"))
        unshare(CLONE_NEWUTS);
    else if (!strcmp(deed, "unshare_files"))
        unshare(CLONE_FILES);
    else if (!strcmp(deed, "packets"))
        socket(AF_PACKET, SOCK_RAW, 0);
    else if (!strcmp(deed, "raw_ip"))
        socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
    else if (!strcmp(deed, "netlink"))
        socket(AF_NETLINK, SOCK_RAW, 0);
    else if (!strcmp(deed, "alg"))
        socket(AF_ALG, SOCK_SEQPACKET, 0);
    else if (!strcmp(deed, "tcp"))
        socket(AF_INET6, SOCK_STREAM, 0);
    else if (!strcmp(deed, "keyring"))
        syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    else if (!strcmp(deed, "bpf"))
        syscall(SYS_bpf, 9999, NULL, 0);
    else if (!strcmp(deed, "perf"))
        syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
    else if (!strcmp(deed, "io_uring"))
        io_uring();
    else if (!strcmp(deed, "jit"))
        jit();
    else if (!strcmp(deed, "writable_code"))
        mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else if (!strcmp(deed, "fixed_addresses"))
        personality(ADDR_NO_RANDOMIZE);
    else if (!strcmp(deed, "which_personality"))
        personality(0xffffffff);
    else if (!strcmp(deed, "trace_me"))
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    else {
        fprintf(stderr, "%s: no such deed\n", deed);
        return 2;
    }
    return 0;
}
