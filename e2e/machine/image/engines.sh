#!/bin/sh
# Runs inside a fresh image (chroot), once, before finish.sh: brings the engines'
# packages that are not simply the suite's own.
#
#   engines.sh install MIRROR SUITE PACKAGE…    installs them from that suite
#   engines.sh download MIRROR SUITE PACKAGE…   makes /srv/apt, an apt source with them and all they need
set -eu
mode=$1 mirror=$2 suite=$3
shift 3
export DEBIAN_FRONTEND=noninteractive
mount -t proc proc /proc # systemd-tmpfiles asks for it; it ends with our mount namespace

echo "deb $mirror $suite main" >/etc/apt/sources.list.d/engines.list
# A mirror that stands still is good enough here, though apt says that it is out of
# date; its signatures are checked all the same.
apt-get update -q -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none

case $mode in
install)
  # Only what the packages cannot do without comes from that suite.
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' "$suite" >/etc/apt/preferences.d/engines
  apt-get install -q -y --no-install-recommends --target-release "$suite" "$@"
  rm /etc/apt/preferences.d/engines
  ;;
download)
  mkdir -p /srv/apt/partial
  apt-get install -q -y --no-install-recommends --download-only -o Dir::Cache::Archives=/srv/apt "$@"
  cd /srv/apt
  rm -rf partial lock
  for deb in *%3a*.deb; do # an epoch; apt would take the name for an escaped one
    if [ -e "$deb" ]; then mv "$deb" "$(echo "$deb" | sed 's/%3a/-/')"; fi
  done
  for deb in *.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d ' ' -f 1)"
  done >Packages
  echo "deb [trusted=yes] file:/srv/apt ./" >/etc/apt/sources.list
  ;;
esac
rm /etc/apt/sources.list.d/engines.list
