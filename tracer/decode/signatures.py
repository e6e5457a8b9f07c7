"""What each argument of a call is, one word an argument.

The words are the keys of ``values.KINDS``. Names as in man 2, of every ABI: a call that is not
here has no name, and is written with all six registers. ``clone`` is in ``call``. Retired calls
read nothing.
"""

from __future__ import annotations

_TEXT = """
_llseek         fd uint uint ptr whence
_newselect      int ptr ptr ptr ptr
_sysctl         ptr
accept          fd ptr ptr
accept4         fd ptr ptr socket_flags
access          path access
acct            path
add_key         ptr ptr ptr size int
adjtimex        ptr
afs_syscall     -
alarm           uint
arch_prctl      hex hex
arm_fadvise64_64 fd int long long
bdflush         int long
bind            fd ptr size
bpf             bpf ptr size
break           -
breakpoint      -
brk             ptr
cacheflush      ptr ptr hex
cachestat       fd ptr ptr uint
capget          ptr ptr
capset          ptr ptr
chdir           path
chmod           path mode
chown           path id id
chown32         path id id
chroot          path
clock_adjtime   clock ptr
clock_adjtime64 clock ptr
clock_getres    clock ptr
clock_getres_time64 clock ptr
clock_gettime   clock ptr
clock_gettime64 clock ptr
clock_nanosleep clock int ptr ptr
clock_nanosleep_time64 clock int ptr ptr
clock_settime   clock ptr
clock_settime64 clock ptr
clone3          ptr size
close           fd
close_range     uint uint uint
connect         fd ptr size
copy_file_range fd ptr fd ptr size uint
creat           path mode
create_module   -
delete_module   ptr open_flags
dup             fd
dup2            fd fd
dup3            fd fd open_flags
epoll_create    int
epoll_create1   pipe_flags
epoll_ctl       fd epoll fd ptr
epoll_ctl_old   fd epoll fd ptr
epoll_pwait     fd ptr int int ptr size
epoll_pwait2    fd ptr int ptr ptr size
epoll_wait      fd ptr int int
epoll_wait_old  fd ptr int int
eventfd         uint
eventfd2        uint pipe_flags
execve          path ptr ptr
execveat        dirfd path ptr ptr at_flags
exit            int
exit_group      int
faccessat       dirfd path access
faccessat2      dirfd path access at_flags
fadvise64       fd long size int
fadvise64_64    fd long long int
fallocate       fd uint long size
fanotify_init   hex open_flags
fanotify_mark   fd hex mask dirfd path
fchdir          fd
fchmod          fd mode
fchmodat        dirfd path mode
fchmodat2       dirfd path mode at_flags
fchown          fd id id
fchown32        fd id id
fchownat        dirfd path id id at_flags
fcntl           fd fcntl hex
fcntl64         fd fcntl hex
fdatasync       fd
fgetxattr       fd ptr ptr size
file_getattr    dirfd path ptr size at_flags
file_setattr    dirfd path ptr size at_flags
finit_module    fd ptr uint
flistxattr      fd ptr size
flock           fd int
fork            -
fremovexattr    fd ptr
fsconfig        fd uint ptr ptr int
fsetxattr       fd ptr ptr size int
fsmount         fd uint hex
fsopen          ptr uint
fspick          dirfd path uint
fstat           fd ptr
fstat64         fd ptr
fstatat64       dirfd path ptr at_flags
fstatfs         fd ptr
fstatfs64       fd size ptr
fsync           fd
ftime           -
ftruncate       fd long
ftruncate64     fd long
futex           ptr futex int ptr ptr int
futex_requeue   ptr uint int int
futex_time64    ptr futex int ptr ptr int
futex_wait      ptr hex hex uint ptr clock
futex_waitv     ptr uint uint ptr clock
futex_wake      ptr hex int uint
futimesat       dirfd path ptr
get_kernel_syms -
get_mempolicy   ptr ptr size ptr hex
get_robust_list pid ptr ptr
get_thread_area ptr
get_tls         -
getcpu          ptr ptr ptr
getcwd          ptr size
getdents        fd ptr uint
getdents64      fd ptr size
getegid         -
getegid32       -
geteuid         -
geteuid32       -
getgid          -
getgid32        -
getgroups       int ptr
getgroups32     int ptr
getitimer       int ptr
getpeername     fd ptr ptr
getpgid         pid
getpgrp         -
getpid          -
getpmsg         -
getppid         -
getpriority     int int
getrandom       ptr size random
getresgid       ptr ptr ptr
getresgid32     ptr ptr ptr
getresuid       ptr ptr ptr
getresuid32     ptr ptr ptr
getrlimit       resource ptr
getrusage       int ptr
getsid          pid
getsockname     fd ptr ptr
getsockopt      fd level option ptr ptr
gettid          -
gettimeofday    ptr ptr
getuid          -
getuid32        -
getxattr        path ptr ptr size
getxattrat      dirfd path at_flags ptr ptr size
gtty            -
idle            -
init_module     ptr size ptr
inotify_add_watch fd path hex
inotify_init    -
inotify_init1   pipe_flags
inotify_rm_watch fd int
io_cancel       hex ptr ptr
io_destroy      hex
io_getevents    hex long long ptr ptr
io_pgetevents   hex long long ptr ptr ptr
io_pgetevents_time64 hex long long ptr ptr ptr
io_setup        uint ptr
io_submit       hex long ptr
io_uring_enter  fd uint uint uint ptr size
io_uring_register fd uint ptr uint
io_uring_setup  uint ptr
ioctl           fd ioctl hex
ioperm          hex size int
iopl            uint
ioprio_get      int int
ioprio_set      int int int
ipc             uint int hex hex ptr long
kcmp            pid pid int hex hex
kexec_file_load fd fd size ptr hex
kexec_load      hex size ptr hex
keyctl          int hex hex hex hex
kill            pid signal
landlock_add_rule fd int ptr uint
landlock_create_ruleset ptr size uint
landlock_restrict_self fd uint
lchown          path id id
lchown32        path id id
lgetxattr       path ptr ptr size
link            path path
linkat          dirfd path dirfd path at_flags
listen          fd int
listmount       ptr ptr size uint
listns          ptr ptr size uint
listxattr       path ptr size
listxattrat     dirfd path at_flags ptr size
llistxattr      path ptr size
lock            -
lookup_dcookie  hex ptr size
lremovexattr    path ptr
lseek           fd long whence
lsetxattr       path ptr ptr size int
lsm_get_self_attr uint ptr ptr uint
lsm_list_modules ptr ptr uint
lsm_set_self_attr uint ptr uint uint
lstat           path ptr
lstat64         path ptr
madvise         ptr size advice
map_shadow_stack ptr size uint
mbind           ptr size int ptr size uint
membarrier      int uint int
memfd_create    ptr memfd
memfd_secret    uint
migrate_pages   pid size ptr ptr
mincore         ptr size ptr
mkdir           path mode
mkdirat         dirfd path mode
mknod           path mode hex
mknodat         dirfd path mode hex
mlock           ptr size
mlock2          ptr size int
mlockall        int
mmap            ptr size prot map fd long
mmap2           ptr size prot map fd size
modify_ldt      int ptr size
mount           path path ptr mount ptr
mount_setattr   dirfd path at_flags ptr size
move_mount      dirfd path dirfd path uint
move_pages      pid size ptr ptr ptr int
mprotect        ptr size prot
mpx             -
mq_getsetattr   fd ptr ptr
mq_notify       fd ptr
mq_open         ptr open_flags mode ptr
mq_timedreceive fd ptr size ptr ptr
mq_timedreceive_time64 fd ptr size ptr ptr
mq_timedsend    fd ptr size uint ptr
mq_timedsend_time64 fd ptr size uint ptr
mq_unlink       ptr
mremap          ptr size size int ptr
mseal           ptr size hex
msgctl          int int ptr
msgget          hex hex
msgrcv          int ptr size long hex
msgsnd          int ptr size hex
msync           ptr size int
munlock         ptr size
munlockall      -
munmap          ptr size
name_to_handle_at dirfd path ptr ptr at_flags
nanosleep       ptr ptr
newfstatat      dirfd path ptr at_flags
nfsservctl      -
nice            int
oldfstat        fd ptr
oldlstat        path ptr
oldolduname     ptr
oldstat         path ptr
olduname        ptr
open            path open_flags mode
open_by_handle_at fd ptr open_flags
open_tree       dirfd path uint
open_tree_attr  dirfd path uint ptr size
openat          dirfd path open_flags mode
openat2         dirfd path ptr size
pause           -
pciconfig_iobase long size size
pciconfig_read  size size size size ptr
pciconfig_write size size size size ptr
perf_event_open ptr pid int fd uint
personality     personality
pidfd_getfd     fd fd uint
pidfd_open      pid uint
pidfd_send_signal fd signal ptr uint
pipe            ptr
pipe2           ptr pipe_flags
pivot_root      path path
pkey_alloc      uint hex
pkey_free       int
pkey_mprotect   ptr size prot int
poll            ptr uint int
ppoll           ptr uint ptr ptr size
ppoll_time64    ptr uint ptr ptr size
prctl           prctl hex hex hex hex
pread64         fd ptr size long
preadv          fd ptr size size size
preadv2         fd ptr size size size hex
prlimit64       pid resource ptr ptr
process_madvise fd ptr size advice uint
process_mrelease fd uint
process_vm_readv pid ptr uint ptr uint uint
process_vm_writev pid ptr uint ptr uint uint
prof            -
profil          -
pselect6        int ptr ptr ptr ptr ptr
pselect6_time64 int ptr ptr ptr ptr ptr
ptrace          ptrace pid ptr ptr
putpmsg         -
pwrite64        fd ptr size long
pwritev         fd ptr size size size
pwritev2        fd ptr size size size hex
query_module    -
quotactl        hex path id ptr
quotactl_fd     fd hex id ptr
read            fd ptr size
readahead       fd long size
readdir         fd ptr uint
readlink        path ptr size
readlinkat      dirfd path ptr size
readv           fd ptr uint
reboot          hex hex int ptr
recv            fd ptr size hex
recvfrom        fd ptr size hex ptr ptr
recvmmsg        fd ptr uint hex ptr
recvmmsg_time64 fd ptr uint hex ptr
recvmsg         fd ptr hex
remap_file_pages ptr size int size map
removexattr     path ptr
removexattrat   dirfd path at_flags ptr
rename          path path
renameat        dirfd path dirfd path
renameat2       dirfd path dirfd path uint
request_key     ptr ptr ptr int
restart_syscall -
rmdir           path
rseq            ptr uint int hex
rseq_slice_yield -
rt_sigaction    signal ptr ptr size
rt_sigpending   ptr size
rt_sigprocmask  sigmask ptr ptr size
rt_sigqueueinfo pid signal ptr
rt_sigreturn    -
rt_sigsuspend   ptr size
rt_sigtimedwait ptr ptr ptr size
rt_sigtimedwait_time64 ptr ptr ptr size
rt_tgsigqueueinfo pid pid signal ptr
sched_get_priority_max int
sched_get_priority_min int
sched_getaffinity pid size ptr
sched_getattr   pid ptr uint uint
sched_getparam  pid ptr
sched_getscheduler pid
sched_rr_get_interval pid ptr
sched_rr_get_interval_time64 pid ptr
sched_setaffinity pid size ptr
sched_setattr   pid ptr uint
sched_setparam  pid ptr
sched_setscheduler pid int ptr
sched_yield     -
seccomp         seccomp uint ptr
security        -
select          int ptr ptr ptr ptr
semctl          int int int hex
semget          hex int hex
semop           int ptr uint
semtimedop      int ptr uint ptr
semtimedop_time64 int ptr uint ptr
send            fd ptr size hex
sendfile        fd fd ptr size
sendfile64      fd fd ptr size
sendmmsg        fd ptr uint hex
sendmsg         fd ptr hex
sendto          fd ptr size hex ptr size
set_mempolicy   int ptr size
set_mempolicy_home_node ptr size size uint
set_robust_list ptr size
set_thread_area ptr
set_tid_address ptr
set_tls         ptr
setdomainname   ptr size
setfsgid        id
setfsgid32      id
setfsuid        id
setfsuid32      id
setgid          id
setgid32        id
setgroups       size ptr
setgroups32     size ptr
sethostname     ptr size
setitimer       int ptr ptr
setns           fd clone_flags
setpgid         pid pid
setpriority     int int int
setregid        id id
setregid32      id id
setresgid       id id id
setresgid32     id id id
setresuid       id id id
setresuid32     id id id
setreuid        id id
setreuid32      id id
setrlimit       resource ptr
setsid          -
setsockopt      fd level option ptr size
settimeofday    ptr ptr
setuid          id
setuid32        id
setxattr        path ptr ptr size int
setxattrat      dirfd path at_flags ptr ptr size
sgetmask        -
shmat           int ptr hex
shmctl          int int ptr
shmdt           ptr
shmget          hex size hex
shutdown        fd shutdown
sigaction       signal ptr ptr
sigaltstack     ptr ptr
signal          signal ptr
signalfd        fd ptr size
signalfd4       fd ptr size pipe_flags
sigpending      ptr
sigprocmask     sigmask ptr ptr
sigreturn       -
sigsuspend      int int hex
socket          family socket_type int
socketcall      int ptr
socketpair      family socket_type int ptr
splice          fd ptr fd ptr size uint
ssetmask        int
stat            path ptr
stat64          path ptr
statfs          path ptr
statfs64        path size ptr
statmount       ptr ptr size uint
statx           dirfd path at_flags hex ptr
stime           ptr
stty            -
swapoff         path
swapon          path hex
symlink         path path
symlinkat       path dirfd path
sync            -
sync_file_range fd long long uint
sync_file_range2 fd uint long long
syncfs          fd
sysfs           int hex hex
sysinfo         ptr
syslog          int ptr int
tee             fd fd size uint
tgkill          pid pid signal
time            ptr
timer_create    clock ptr ptr
timer_delete    int
timer_getoverrun int
timer_gettime   int ptr
timer_gettime64 int ptr
timer_settime   int int ptr ptr
timer_settime64 int int ptr ptr
timerfd_create  clock pipe_flags
timerfd_gettime fd ptr
timerfd_gettime64 fd ptr
timerfd_settime fd int ptr ptr
timerfd_settime64 fd int ptr ptr
times           ptr
tkill           pid signal
truncate        path long
truncate64      path long
tuxcall         -
ugetrlimit      resource ptr
ulimit          -
umask           mode
umount          path
umount2         path int
uname           ptr
unlink          path
unlinkat        dirfd path at_flags
unshare         clone_flags
uprobe          -
uretprobe       -
uselib          path
userfaultfd     open_flags
usr26           -
usr32           -
ustat           uint ptr
utime           path ptr
utimensat       dirfd path ptr at_flags
utimensat_time64 dirfd path ptr at_flags
utimes          path ptr
vfork           -
vhangup         -
vm86            hex ptr
vm86old         ptr
vmsplice        fd ptr size uint
vserver         -
wait4           pid ptr wait ptr
waitid          int pid ptr wait ptr
waitpid         pid ptr wait
write           fd ptr size
writev          fd ptr uint
"""

SIGNATURES: dict[str, tuple[str, ...]] = {
    name: tuple(kind for kind in kinds if kind != "-")
    for name, *kinds in (line.split() for line in _TEXT.split("\n") if line)
}
