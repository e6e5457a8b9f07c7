// Writes the registers that it begins with, which execve had arguments in: r10, r8, r9.
__asm__(".globl _start\n"
        "_start:\n"
        "  push %r9\n  push %r8\n  push %r10\n"
        "  mov $1, %eax\n  mov $1, %edi\n  mov %rsp, %rsi\n  mov $24, %edx\n  syscall\n"
        "  mov $60, %eax\n  xor %edi, %edi\n  syscall\n");
