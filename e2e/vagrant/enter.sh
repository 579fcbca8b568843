#!/bin/sh
# enter.sh FOLDER ID COMMAND… becomes the command, in a mount namespace that is its
# own already, with what lxc looks at:
#
# - a /sys of this network namespace, where lxc looks for its bridge, and still with
#   the host's cgroups;
# - settings by which containers, locks and cgroups are the lab's: below FOLDER and,
#   in each hierarchy, below ID. The last cgroup a container's monitor goes to would
#   stay behind elsewhere.
set -eu
dir=$1 id=$2
shift 2
mkdir -p "$dir/cgroup" "$dir/etc" "$dir/run" "$dir/containers" /run/lxc

mount --rbind /sys/fs/cgroup "$dir/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$dir/cgroup" /sys/fs/cgroup
umount --lazy "$dir/cgroup"

printf 'lxc.lxcpath = %s\nlxc.cgroup.pattern = %s/%%n\n' "$dir/containers" "$id" >"$dir/etc/lxc.conf"
printf 'lxc.cgroup.dir.monitor.pivot = %s/_pivot\n' "$id" >"$dir/etc/default.conf"
mount --bind "$dir/etc" /etc/lxc
mount --bind "$dir/run" /run/lxc

exec "$@"
