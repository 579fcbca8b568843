#!/usr/bin/env bash
# Installs the engine and the package on a machine of the lab. It may run again at
# any time: an upgrade of the package restarts the agent, and never Redis.
set -euo pipefail

main() {
  install_engine
  dpkg --install /home/vagrant/lab/redfleet.deb
}

# install_engine takes the box's own Redis, else Debian's. Debian's units would start
# with it, on the ports of ours (docs/hazards.md, E2), so they are masked before.
install_engine() {
  if command -v redis-server >/dev/null && command -v redis-sentinel >/dev/null; then
    return
  fi
  systemctl --quiet mask redis-server.service redis-sentinel.service
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends redis-server redis-sentinel redis-tools
}

main
