/* bcc includes the kernel's configuration before all else, and asks of it only this. */
#define CONFIG_BPF_SYSCALL 1
