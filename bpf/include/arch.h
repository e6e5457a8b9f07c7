/*
 * The one place that knows an architecture. Registers come in UAPI layouts; what the UAPI
 * does not show is a byte offset that the loader took from the kernel's BTF.
 */
#ifndef SBTRACE_ARCH_H
#define SBTRACE_ARCH_H

/* ABIs: which table a syscall number belongs to. */
#define ABI_NATIVE 0
#define ABI_COMPAT 1
#define ABI_X32    2

/* The names OFFSET_… and PIDNS_… are numbers that stand for what the loader puts in their place:
 * it finds them where these two leave them, in one instruction that the compiler cannot look
 * into. tracer/collectors/kernel/program/offsets.py has the names. */
#define AT(base, offset)                                                                           \
    ({                                                                                             \
        char *at_ = (char *)(base);                                                                \
        asm("%0 += %1" : "+r"(at_) : "i"(offset));                                                 \
        at_;                                                                                       \
    })
#define VALUE(name)                                                                                \
    ({                                                                                             \
        u64 value_;                                                                                \
        asm("%0 = %1 ll" : "=r"(value_) : "i"(name));                                              \
        value_;                                                                                    \
    })

#if defined(__TARGET_ARCH_x86)

#include <asm/ptrace.h>

typedef struct pt_regs user_regs;

#define TS_COMPAT       0x0002 /* arch/x86/include/asm/thread_info.h: entered by int 0x80 & co. */
#define X32_SYSCALL_BIT 0x40000000
#define X32_NRS         1024 /* above every number that x32 has */
#define NR_EXEC_MAP     9    /* mmap */
#define NR_EXECVE       59
#define NR_GETTIMEOFDAY 96
#define NR_TIME         201
#define NR_GETCPU       309
#define WORK_EMULATED   (1u << 3) /* SYSCALL_WORK_SYSCALL_EMU, include/linux/thread_info.h */

static __always_inline u32 abi_of(struct task_struct *task, u32 nr) {
    /* A direct load: the verifier knows the field, and a fault reads as 0. */
    if (*(u32 *)AT(task, OFFSET_thread_info_status) & TS_COMPAT)
        return ABI_COMPAT;
    /* -1 and 0x7fffffff have the bit too, and are no numbers of x32. */
    if (__builtin_expect(nr & X32_SYSCALL_BIT, 0) && nr - X32_SYSCALL_BIT < X32_NRS)
        return ABI_X32;
    return ABI_NATIVE;
}

/* Whether a tracer has the calls of this task skipped (PTRACE_SYSEMU). */
static __always_inline bool is_emulated(void *task) {
    u32 work = 0;

    bpf_probe_read_kernel(&work, sizeof(work), AT(task, OFFSET_thread_info_syscall_work));
    return work & WORK_EMULATED;
}

/* The page asks seccomp by itself, and has neither sys_enter nor sys_exit
 * (arch/x86/entry/vsyscall/vsyscall_64.c: emulate_vsyscall). */
static __always_inline bool is_in_vsyscall_page(u64 ip) {
    return ip >> 12 == 0xffffffffff600;
}

/* Whether a call that was not made has the result that it began with: nobody gave it one. */
static __always_inline bool is_unanswered(void *kernel_regs, long ret) {
    return ret == -38; /* ENOSYS: arch/x86/entry/entry_64.S */
}

/* Whether its registers are those that it was made with, as before a SIGSYS of seccomp's
 * (arch/x86/include/asm/syscall.h: syscall_rollback). */
static __always_inline bool is_rolled_back(user_regs *regs, void *kernel_regs, long ret) {
    return (u32)ret == (u32)regs->orig_rax;
}

static __always_inline long blocked_nr(user_regs *regs, void *kernel_regs) {
    return (long)regs->orig_rax;
}

/* Whether the task went into the kernel by the call that gave `ret`, and is still there: a handler
 * would have other registers, and a fault or interrupt has no number. */
static __always_inline bool is_still_inside(user_regs *regs, u64 ip, long ret) {
    return (s64)regs->orig_rax != -1 && (s64)regs->rax == ret;
}

static __always_inline void arguments(user_regs *regs, u32 abi, void *kernel_regs, u64 *args) {
    if (abi == ABI_COMPAT) {
        args[0] = (u32)regs->rbx;
        args[1] = (u32)regs->rcx;
        args[2] = (u32)regs->rdx;
        args[3] = (u32)regs->rsi;
        args[4] = (u32)regs->rdi;
        args[5] = (u32)regs->rbp;
        return;
    }
    args[0] = regs->rdi;
    args[1] = regs->rsi;
    args[2] = regs->rdx;
    args[3] = regs->r10;
    args[4] = regs->r8;
    args[5] = regs->r9;
}

#define REGS_IP(regs) ((regs)->rip)
#define REGS_SP(regs) ((regs)->rsp)

#elif defined(__TARGET_ARCH_arm64)

#include <asm/ptrace.h>

typedef struct user_pt_regs user_regs;

#define TIF_32BIT_MASK (1u << 22) /* arch/arm64/include/asm/thread_info.h */
#define NR_EXEC_MAP    222        /* mmap */
#define NR_EXECVE      221
#define TIF_EMULATED   (1u << 12) /* TIF_SYSCALL_EMU */

static __always_inline u32 abi_of(struct task_struct *task, u32 nr) {
    if (*(u64 *)AT(task, OFFSET_thread_info_flags) & TIF_32BIT_MASK)
        return ABI_COMPAT;
    return ABI_NATIVE;
}

static __always_inline bool is_emulated(void *task) {
    u64 flags = 0;

    bpf_probe_read_kernel(&flags, sizeof(flags), AT(task, OFFSET_thread_info_flags));
    return flags & TIF_EMULATED;
}

static __always_inline bool is_unanswered(void *kernel_regs, long ret) {
    s64 first = 0;

    bpf_probe_read_kernel(&first, sizeof(first), AT(kernel_regs, OFFSET_pt_regs_orig_x0));
    return ret == first;
}

static __always_inline bool is_rolled_back(user_regs *regs, void *kernel_regs, long ret) {
    return is_unanswered(kernel_regs, ret);
}

static __always_inline bool is_in_vsyscall_page(u64 ip) {
    return false;
}

static __always_inline long blocked_nr(user_regs *regs, void *kernel_regs) {
    s32 nr = -1;

    bpf_probe_read_kernel(&nr, sizeof(nr), AT(kernel_regs, OFFSET_pt_regs_syscallno));
    return nr;
}

/* Whether the task is still in the kernel by the call that ended at `ip`: there is no number any
 * more, but it was made ready to be made again (arch/arm64/kernel/signal.c: do_signal). */
static __always_inline bool is_still_inside(user_regs *regs, u64 ip, long ret) {
    return ip - regs->pc <= 4;
}

static __always_inline void arguments(user_regs *regs, u32 abi, void *kernel_regs, u64 *args) {
    /* x0 holds the return value by now; the kernel kept the first argument apart. */
    bpf_probe_read_kernel(&args[0], 8, AT(kernel_regs, OFFSET_pt_regs_orig_x0));
#pragma unroll
    for (int i = 1; i < 6; i++)
        args[i] = regs->regs[i];
}

#define REGS_IP(regs) ((regs)->pc)
#define REGS_SP(regs) ((regs)->sp)

#else
#error "sbtrace knows x86-64 and arm64: add this architecture here"
#endif

#endif
