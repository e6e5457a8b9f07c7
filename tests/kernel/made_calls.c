// Makes calls under a seccomp filter, and says what the kernel did with each.
//
// stdin: u32 instructions, u32 calls, struct sock_filter[], struct call[]. stdout: one
// struct outcome a call. A call that ends the process is one of its child's: the next child
// goes on behind it. Only calls that do nothing and read no argument should be let through.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
    uint32_t is_i386;
    uint32_t nr;
    uint64_t args[6];
};

enum { ALLOWED, ERRNO, TRAPPED, KILLED };

struct outcome {
    uint32_t what;
    uint32_t number; // the errno, or the signal that ended the process
};

static struct outcome *outcomes;
static volatile uint32_t *done;
static volatile sig_atomic_t trapped;

static void die(const char *what) {
    perror(what);
    exit(99);
}

static void on_sigsys(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    trapped = 1;
}

static long native(const struct call *call) {
    register long r10 __asm__("r10") = call->args[3];
    register long r8 __asm__("r8") = call->args[4];
    register long r9 __asm__("r9") = call->args[5];
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)(int32_t)call->nr), "D"(call->args[0]), "S"(call->args[1]),
                       "d"(call->args[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static long i386(const struct call *call) {
    int32_t result;

    // The sixth is in ebp, which the compiler may use itself: it stays what it is.
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(call->nr), "b"((uint32_t)call->args[0]), "c"((uint32_t)call->args[1]),
                       "d"((uint32_t)call->args[2]), "S"((uint32_t)call->args[3]),
                       "D"((uint32_t)call->args[4])
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void child(const struct sock_fprog *filter, const struct call *calls, uint32_t count) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter))
        die("seccomp");
    while (*done < count) {
        uint32_t at = *done;

        trapped = 0;
        long result = calls[at].is_i386 ? i386(&calls[at]) : native(&calls[at]);
        outcomes[at].what = trapped ? TRAPPED : result < 0 && result >= -4095 ? ERRNO : ALLOWED;
        outcomes[at].number = outcomes[at].what == ERRNO ? -result : 0;
        *done = at + 1;
    }
    for (;;)
        native(&(struct call){0, SYS_exit_group, {0}});
}

static void receive(void *to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes)
        die("stdin");
}

int main(void) {
    uint32_t head[2];

    receive(head, sizeof(head));
    struct sock_filter *code = calloc(head[0], sizeof(*code));
    struct call *calls = calloc(head[1], sizeof(*calls));
    size_t bytes = head[1] * sizeof(*outcomes) + sizeof(*done);
    if (!code || !calls)
        die("memory");
    receive(code, head[0] * sizeof(*code));
    receive(calls, head[1] * sizeof(*calls));
    outcomes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcomes == MAP_FAILED)
        die("mmap");
    done = (volatile uint32_t *)(outcomes + head[1]);
    struct sock_fprog filter = {head[0], code};
    while (*done < head[1]) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            child(&filter, calls, head[1]);
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            die("fork");
        if (WIFSIGNALED(status) && *done < head[1]) {
            outcomes[*done] = (struct outcome){KILLED, WTERMSIG(status)};
            ++*done;
        } else if (*done < head[1]) {
            fprintf(stderr, "the child ended at call %u with %#x\n", *done, status);
            return 99;
        }
    }
    fwrite(outcomes, sizeof(*outcomes), head[1], stdout);
    return 0;
}
