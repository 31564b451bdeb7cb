#!/bin/busybox sh
# The first process of a test machine. The host's folder `root` is the root, read-only, with a file
# system in memory over it; `share` is /share, also with one over it; `out` is /out, and its changes
# reach the host. Runs /out/command, writes its status to /out/status, and turns the machine off.
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $busybox insmod "$module"; done

ninep=trans=virtio,version=9p2000.L,msize=512000
memory() { # FOLDER TARGET: the folder, with changes kept in memory
  $busybox mkdir -p "/upper/$1/data" "/upper/$1/work"
  $busybox mount -t overlay -o "lowerdir=/$1,upperdir=/upper/$1/data,workdir=/upper/$1/work" overlay "$2"
}
$busybox mount -t tmpfs -o size=75% tmpfs /upper
$busybox mount -t 9p -o ro,cache=loose,$ninep root /lower
memory lower /root
$busybox mkdir -p /root/share /root/out /root/lib/modules
$busybox mount -t 9p -o ro,cache=loose,$ninep modules /root/lib/modules
$busybox mount -t 9p -o ro,cache=loose,$ninep share /shared
memory shared /root/share
$busybox mount -t 9p -o rw,$ninep out /root/out
for place in proc sys dev; do $busybox mount --move "/$place" "/root/$place"; done

exec $busybox chroot /root /bin/sh -c '
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
  mount -t tmpfs tmpfs /run
  mount -t tmpfs tmpfs /tmp
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t bpf bpf /sys/fs/bpf
  mount -t tracefs tracefs /sys/kernel/tracing
  mkdir -p /dev/pts /dev/shm /run/netns
  mount -t devpts devpts /dev/pts
  mount -t tmpfs tmpfs /dev/shm
  hostname machine
  ip link set lo up
  touch /out/booted
  setsid sh /out/command >/out/output 2>&1 </dev/null
  echo $? >/out/status
  dmesg >/out/dmesg
  sync
  echo o >/proc/sysrq-trigger
  sleep 10
'
