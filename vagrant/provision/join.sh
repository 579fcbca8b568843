#!/usr/bin/env bash
# Makes a machine of the lab a member of the fleet, with a coordinator too on the first
# three. It may run again at any time.
#
# Joining needs a Consul that has a leader, and so two of the first three machines.
# Where machines come up one after the other the first has to wait for the next, which
# waits for the first one's provisioning: so whoever comes too early joins later, in a
# unit of its own. The last machine waits, and says what is wrong.
#
# NODE: this machine. MACHINES: all of them, as name=address.
set -euo pipefail

unit=redfleet-lab-join.service
no_consul=6 # redfleet's exit code
limit=600

main() {
  local join=(redfleet join --key /root/lab/fleet.key --install-engine --yes) names=() machine first code
  for machine in $MACHINES; do
    names+=("${machine%%=*}")
  done
  first=" ${names[*]:0:3} "
  if [[ $first == *" $NODE "* ]]; then
    join+=(--coordinator)
  fi
  systemctl stop "$unit" 2>/dev/null || true
  systemctl reset-failed "$unit" 2>/dev/null || true
  while true; do
    code=0
    "${join[@]}" || code=$?
    if ((code != no_consul)); then
      return "$code"
    fi
    if [[ $NODE != "${names[-1]}" ]]; then
      later "${join[@]}"
      return
    fi
    if ((SECONDS > limit)); then
      return "$code"
    fi
    sleep 1
  done
}

# later repeats the command until Consul is there.
later() {
  systemd-run --quiet --no-block --unit="$unit" --description="This machine joins the fleet" \
    --property=Type=oneshot --property=Restart=on-failure --property=RestartSec=1s \
    --property=RestartPreventExitStatus="1 3 5 64" --property=StartLimitIntervalSec=0 -- "$@"
  echo "This machine joins as soon as there is a Consul; journalctl -fu $unit shows it."
}

main
