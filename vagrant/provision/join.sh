#!/usr/bin/env bash
# Makes a machine of the lab a member of the fleet. It may run again at any time.
#
# NODE, ADDRESS: this machine. MACHINES: all of them, as name=address.
set -euo pipefail

main() {
  install -d -m 0755 /etc/redfleet
  install -m 0600 /root/lab/fleet.key /etc/redfleet/fleet.key
  printf 'fleet = "lab"\nnode = "%s"\naddress = "%s"\n' "$NODE" "$ADDRESS" >/etc/redfleet/agent.toml
  printf 'fleet = "lab"\nname = "%s"\n' "$NODE" >/etc/redfleet/coordinator.toml
  systemctl --quiet enable --now redfleet-agent.service
  systemctl restart redfleet-agent.service
  systemctl --quiet enable --now redfleet-coordinator.service
}

main
