#!/bin/sh
# systemd.sh DIRECTORY NAME: becomes the first process of a host whose init is systemd.
#
# It runs in process, mount and cgroup namespaces of its own, on a root file system that lies over the
# machine's: what it writes is in memory, and gone with it. Of the machine's units none is started. What is in
# DIRECTORY/files comes on top; DIRECTORY/cgroup is where the cgroups of the host are below NAME.
set -eu
directory=$1 name=$2

if [ "${3:-}" != inside ]; then
    mount --make-rprivate /
    mkdir -p "$directory/cgroup" "$directory/layers" "$directory/root"
    mount -t cgroup2 cgroup2 "$directory/cgroup"
    mkdir "$directory/cgroup/$name"
    echo $$ >"$directory/cgroup/$name/cgroup.procs"
    umount "$directory/cgroup"
    exec unshare --pid --fork --kill-child --mount --cgroup --ipc sh "$0" "$directory" "$name" inside
fi

mount -t tmpfs tmpfs "$directory/layers"
mkdir "$directory/layers/upper" "$directory/layers/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/layers/upper,workdir=$directory/layers/work" \
    "$directory/root"
cd "$directory/root"
# No unit of the machine is wanted by anything, and none is generated.
rm -rf etc/systemd/system etc/fstab usr/lib/systemd/system/*.wants usr/lib/systemd/system-generators
cp -R "$directory/files/." .
chroot . useradd --system baton-agent
chroot . chown baton-agent etc/baton/join-token
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount --rbind /dev dev
pivot_root . mnt
umount -l mnt
exec env -i container=laboratory PATH="$PATH" /lib/systemd/systemd --system --unit=basic.target \
    --log-target=console --show-status=no
