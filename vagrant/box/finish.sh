#!/bin/sh
# Runs inside a fresh root folder (chroot), once: makes it a box as Vagrant expects
# one. The public key comes in as /vagrant.pub.
set -eu

# The user that Vagrant logs in as (its documentation, "Creating a base box"). The
# key is the one that everybody knows; the first `vagrant up` puts another in its place.
useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant
chmod 0440 /etc/sudoers.d/vagrant
install -d -o vagrant -g vagrant -m 0700 /home/vagrant/.ssh
install -o vagrant -g vagrant -m 0600 /vagrant.pub /home/vagrant/.ssh/authorized_keys
rm /vagrant.pub

# The container's address is set from outside. Vagrant sets a host name only where it
# finds networkd, or else by an ifup that fails here; so networkd runs and leaves
# every link alone.
printf '[Match]\nName=*\n\n[Link]\nUnmanaged=yes\n' >/etc/systemd/network/00-unmanaged.network
systemctl --quiet enable systemd-networkd.service
systemctl --quiet mask systemd-networkd-wait-online.service

# Host keys are made at the first boot, by each machine for itself.
rm -f /etc/ssh/ssh_host_*
cat >/etc/systemd/system/ssh-host-keys.service <<'U'
[Unit]
Description=SSH host keys of this machine
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=ssh.service
U
systemctl --quiet enable ssh-host-keys.service

# What each machine has of its own.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/hostname
: >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts

# What has no meaning in a container, or would only cost time.
for unit in systemd-resolved.service systemd-timesyncd.service systemd-logind.service getty.target \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done

# The engine is here and does not start by itself: redfleet has units of its own.
systemctl --quiet disable redis-server.service redis-sentinel.service

rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
