#!/bin/busybox sh
# The first program of the guest: its disks, what systemd would mount, and then the tests.
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do
    $b insmod /modules/$module 2>/dev/null || $b echo "insmod $module failed"
done
for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/vdb ] && break; $b sleep 1; done
$b mount -t ext4 /dev/vda /root || $b echo "no userland"
checkout=$($b cat /checkout)
$b mkdir -p /root$checkout
$b mount -t ext4 /dev/vdb /root$checkout || $b echo "no checkout"
for folder in proc sys dev; do $b mount -o move /$folder /root/$folder; done
cd /root
$b mkdir -p dev/pts dev/shm
$b mount -t devpts devpts dev/pts -o ptmxmode=666; $b mount -t tmpfs shm dev/shm
$b mount -t tmpfs run run
$b mount -t cgroup2 cgroup2 sys/fs/cgroup
$b mount -t tracefs tracefs sys/kernel/tracing; $b mount -t debugfs debugfs sys/kernel/debug
$b mount -t 9p -o trans=virtio,version=9p2000.L share share || $b echo "no share"
$b ln -sf /proc/self/fd dev/fd
$b ip link set lo up
$b hostname guest
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
$b chroot /root /bin/sh -c "cd $checkout && sh /share/script >/share/log 2>&1 </dev/null; echo \$? >/share/status; sync"
$b poweroff -f
