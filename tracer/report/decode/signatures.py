"""What each argument of the calls that profiles block is, one word an argument.

The words are the keys of ``values.KINDS``. Names as in man 2; calls that are not here are
written with all six registers.
"""

from __future__ import annotations

_TEXT = """
accept          fd ptr ptr
accept4         fd ptr ptr socket_flags
access          ptr access
acct            ptr
add_key         ptr ptr ptr size int
bind            fd ptr size
bpf             bpf ptr size
brk             ptr
chdir           ptr
chmod           ptr mode
chown           ptr id id
chroot          ptr
clock_nanosleep clock int ptr ptr
clock_settime   clock ptr
clone3          ptr size
close           fd
close_range     uint uint uint
connect         fd ptr size
creat           ptr mode
delete_module   ptr open_flags
dup             fd
dup2            fd fd
dup3            fd fd open_flags
epoll_create1   pipe_flags
epoll_ctl       fd epoll fd ptr
eventfd2        uint pipe_flags
execve          ptr ptr ptr
execveat        dirfd ptr ptr ptr at_flags
exit            int
exit_group      int
faccessat       dirfd ptr access
faccessat2      dirfd ptr access at_flags
fallocate       fd uint long size
fchdir          fd
fchmod          fd mode
fchmodat        dirfd ptr mode
fchmodat2       dirfd ptr mode at_flags
fchown          fd id id
fchownat        dirfd ptr id id at_flags
fcntl           fd fcntl hex
finit_module    fd ptr uint
fork            -
fstat           fd ptr
ftruncate       fd long
futex           ptr futex int ptr ptr int
getdents64      fd ptr size
getegid         -
geteuid         -
getgid          -
getpeername     fd ptr ptr
getpid          -
getppid         -
getrandom       ptr size random
getsockname     fd ptr ptr
getsockopt      fd level int ptr ptr
gettid          -
getuid          -
init_module     ptr size ptr
inotify_init1   pipe_flags
io_uring_enter  fd uint uint uint ptr size
io_uring_setup  uint ptr
ioctl           fd ioctl hex
kcmp            pid pid int hex hex
kexec_load      hex size ptr hex
keyctl          int hex hex hex hex
kill            pid signal
lchown          ptr id id
link            ptr ptr
linkat          dirfd ptr dirfd ptr at_flags
listen          fd int
lseek           fd long whence
lstat           ptr ptr
madvise         ptr size advice
memfd_create    ptr memfd
mkdir           ptr mode
mkdirat         dirfd ptr mode
mknod           ptr mode hex
mknodat         dirfd ptr mode hex
mlock           ptr size
mmap            ptr size prot map fd long
mount           ptr ptr ptr mount ptr
mprotect        ptr size prot
mremap          ptr size size int ptr
munmap          ptr size
nanosleep       ptr ptr
newfstatat      dirfd ptr ptr at_flags
open            ptr open_flags mode
openat          dirfd ptr open_flags mode
openat2         dirfd ptr ptr size
pause           -
perf_event_open ptr pid int fd uint
personality     hex
pidfd_getfd     fd fd uint
pidfd_open      pid uint
pidfd_send_signal fd signal ptr uint
pipe            ptr
pipe2           ptr pipe_flags
pivot_root      ptr ptr
pkey_mprotect   ptr size prot int
poll            ptr uint int
prctl           prctl hex hex hex hex
pread64         fd ptr size long
prlimit64       pid resource ptr ptr
process_vm_readv  pid ptr uint ptr uint uint
process_vm_writev pid ptr uint ptr uint uint
ptrace          ptrace pid ptr ptr
pwrite64        fd ptr size long
read            fd ptr size
readlink        ptr ptr size
readlinkat      dirfd ptr ptr size
readv           fd ptr uint
reboot          hex hex int ptr
recvfrom        fd ptr size hex ptr ptr
recvmsg         fd ptr hex
rename          ptr ptr
renameat        dirfd ptr dirfd ptr
renameat2       dirfd ptr dirfd ptr uint
rmdir           ptr
rt_sigaction    signal ptr ptr size
rt_sigprocmask  sigmask ptr ptr size
rt_sigqueueinfo pid signal ptr
sched_setaffinity pid size ptr
sched_setscheduler pid int ptr
sched_yield     -
seccomp         seccomp uint ptr
sendfile        fd fd ptr size
sendmsg         fd ptr hex
sendto          fd ptr size hex ptr size
setdomainname   ptr size
setgid          id
setgroups       size ptr
sethostname     ptr size
setns           fd clone_flags
setpgid         pid pid
setpriority     int int int
setregid        id id
setresgid       id id id
setresuid       id id id
setreuid        id id
setrlimit       resource ptr
setsid          -
setsockopt      fd level int ptr size
setuid          id
shmget          hex size hex
shutdown        fd shutdown
signalfd4       fd ptr size pipe_flags
socket          family socket_type int
socketpair      family socket_type int ptr
stat            ptr ptr
statfs          ptr ptr
statx           dirfd ptr at_flags hex ptr
swapoff         ptr
swapon          ptr hex
symlink         ptr ptr
symlinkat       ptr dirfd ptr
sync            -
syslog          int ptr int
tgkill          pid pid signal
timerfd_create  clock pipe_flags
tkill           pid signal
truncate        ptr long
umask           mode
umount2         ptr int
uname           ptr
unlink          ptr
unlinkat        dirfd ptr at_flags
unshare         clone_flags
userfaultfd     open_flags
utimensat       dirfd ptr ptr at_flags
vfork           -
wait4           pid ptr wait ptr
waitid          int pid ptr wait ptr
write           fd ptr size
writev          fd ptr uint
"""

SIGNATURES: dict[str, tuple[str, ...]] = {
    name: tuple(kind for kind in kinds if kind != "-")
    for name, *kinds in (line.split() for line in _TEXT.split("\n") if line)
}
