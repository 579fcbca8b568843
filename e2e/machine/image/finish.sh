#!/bin/sh
# Runs inside a fresh image (chroot), once: makes it a base that many nodes share.
set -eu

# What each node has of its own.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf

if [ -e /usr/bin/consul ]; then
  groupadd --system --gid 900 consul
  useradd --system --uid 900 --gid consul --home-dir /var/lib/consul --no-create-home --shell /usr/sbin/nologin consul
  install -d -o consul -g consul /var/lib/consul /etc/consul.d
fi

# What has no meaning in a container, or would only cost time.
for unit in systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-logind.service \
  getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done

# The engines are here and do not start: who tests decides.
for unit in redis-server redis-sentinel valkey-server valkey-sentinel; do
  if [ -e "/lib/systemd/system/$unit.service" ] || [ -e "/usr/lib/systemd/system/$unit.service" ]; then
    systemctl --quiet disable "$unit.service"
  fi
done

rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
