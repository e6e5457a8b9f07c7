/* Makes a system call in the way that argv[1] names, under a seccomp filter that traps it.
 * The SIGSYS handler writes what a collector would have seen (registers, stack copy,
 * mappings) into the folder argv[2], and the addresses that libgcc's own unwinder finds,
 * which the test holds against. Compiles as C and as C++. */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES 8192
#define MAX_FRAMES  64
#define KEEP        __attribute__((noinline, noclone))
#define AFTER       __asm__ volatile("") /* no tail call: the caller stays on the stack */

static const char *folder;
static int forks;

static int create(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void copy(const char *from, const char *name) {
    char buffer[4096];
    int in = open(from, O_RDONLY), out = create(name);
    ssize_t got;
    off_t at = 0;
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        at += pwrite(out, buffer, (size_t)got, at);
}

#ifdef __x86_64__
enum { REGISTERS = 17, STACK_POINTER = 7 };

static void in_dwarf_order(const ucontext_t *context, unsigned long *values) {
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (int i = 0; i < REGISTERS; i++)
        values[i] = (unsigned long)context->uc_mcontext.gregs[order[i]];
}
#else /* arm64 */
enum { REGISTERS = 33, STACK_POINTER = 31 };

static void in_dwarf_order(const ucontext_t *context, unsigned long *values) {
    for (int i = 0; i < STACK_POINTER; i++)
        values[i] = context->uc_mcontext.regs[i];
    values[STACK_POINTER] = context->uc_mcontext.sp;
    values[STACK_POINTER + 1] = context->uc_mcontext.pc;
}
#endif

static void on_sigsys(int number, siginfo_t *info, void *context) {
    unsigned long values[REGISTERS];
    void *frames[MAX_FRAMES];
    (void)number;
    (void)info;
    in_dwarf_order((const ucontext_t *)context, values);
    pwrite(create("registers"), values, sizeof values, 0);
    /* Ends early, without a fault, where the stack ends. */
    int out = create("stack");
    for (size_t at = 0; at < STACK_BYTES; at += 8)
        if (pwrite(out, (char *)values[STACK_POINTER] + at, 8, (off_t)at) != 8)
            break;
    copy("/proc/self/maps", "maps");
    copy("/proc/self/stat", "stat");
    int depth = backtrace(frames, MAX_FRAMES);
    pwrite(create("trace"), frames, (size_t)depth * sizeof *frames, 0);
    _exit(0);
}

/* Traps the call `nr` if its first argument is `first`, or whatever it is if `first` < 0. */
static void trap(int nr, int first) {
    const unsigned offset = (unsigned)offsetof(struct seccomp_data, args);
    const unsigned char skip = first < 0 ? 2 : 0;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, skip, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sigsys;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, NULL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        _exit(99);
    }
}

KEEP int leaf(void) {
    int id = (int)syscall(SYS_getppid);
    AFTER;
    return id;
}

/* fork() of glibc 2.39 and later blocks every signal, so that a trap there kills: the handler
 * of this program sees that of nice() instead. */
KEEP int violate(void) {
    int id = forks ? fork() : nice(1);
    AFTER;
    return id;
}

KEEP static int start(void *nothing) {
    (void)nothing;
    return 0;
}

KEEP static void starts(void) {
    static char stack[1 << 16];
    clone(start, stack + sizeof stack, SIGCHLD, NULL);
    AFTER;
}

KEEP static int compare(const void *a, const void *b) {
    int id = leaf();
    AFTER;
    return id + *(const int *)a - *(const int *)b;
}

KEEP static void sorts(void) {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof *numbers, compare);
    AFTER;
}

KEEP static void prints(void) {
    printf("%d bottles\n", 99);
    fflush(stdout);
    AFTER;
}

KEEP static void resolves(void) {
    struct addrinfo *found;
    getaddrinfo("sbtrace.invalid", "80", NULL, &found);
    AFTER;
}

KEEP static void *in_thread(void *nothing) {
    leaf();
    AFTER;
    return nothing;
}

KEEP static void threads(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    AFTER;
}

KEEP static void large_frame(size_t bytes) {
    volatile char fixed[3000];
    volatile char *variable = (volatile char *)alloca(bytes);
    fixed[bytes % 3000] = variable[bytes - 1] = 1;
    leaf();
    AFTER;
    fixed[0] = variable[0];
}

KEEP static int recurse(int depth) {
    int result = depth ? recurse(depth - 1) : leaf();
    AFTER;
    return result + 1;
}

KEEP static void on_usr1(int number) {
    leaf();
    AFTER;
    (void)number;
}

KEEP static void signals(void) {
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
    AFTER;
}

KEEP static void calls_plugin(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    int (*run)(int (*)(void)) = (int (*)(int (*)(void)))dlsym(library, "plugin_run");
    if (!run)
        _exit(98);
    run(leaf);
    AFTER;
}

KEEP static void asks_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    AFTER;
}

int main(int argc, char **argv) {
    void *once[1];
    (void)argc;
    const char *way = argv[1];
    folder = argv[2];
    backtrace(once, 1); /* loads libgcc_s before the handler needs it */
    forks = !strcmp(way, "fork");
    int nr = forks                         ? SYS_clone
             : !strcmp(way, "nice")        ? SYS_setpriority
             : !strcmp(way, "printf")      ? SYS_write
             : !strcmp(way, "getaddrinfo") ? SYS_socket
             : !strcmp(way, "vdso")        ? SYS_clock_gettime
             : !strcmp(way, "starts")      ? SYS_clone
                                           : SYS_getppid;
    trap(nr, nr == SYS_write ? 1 : -1);
    if (forks || !strcmp(way, "nice"))
        violate();
    else if (!strcmp(way, "qsort"))
        sorts();
    else if (!strcmp(way, "printf"))
        prints();
    else if (!strcmp(way, "getaddrinfo"))
        resolves();
    else if (!strcmp(way, "thread"))
        threads();
    else if (!strcmp(way, "starts"))
        starts();
    else if (!strcmp(way, "large"))
        large_frame(2000);
    else if (!strcmp(way, "recurse"))
        recurse(1000);
    else if (!strcmp(way, "signal"))
        signals();
    else if (!strcmp(way, "plugin"))
        calls_plugin(argv[3]);
    else if (!strcmp(way, "vdso"))
        asks_time();
    return 97; /* the call was not trapped */
}
