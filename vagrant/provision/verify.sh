#!/usr/bin/env bash
# Runs on the lab's last machine: gives the fleet the spec that `redfleet init` wrote,
# waits until the group serves, and ends with what `redfleet verify` says. It may run
# again at any time.
set -euo pipefail

export REDFLEET_FLEET=lab
# The other machines may still be installing.
limit=600

main() {
  until_good "6" "Consul has no leader; it needs two of the first three machines" redfleet apply /root/lab/fleet.toml
  until_good "3 6" "The group is not verified" redfleet verify
  redfleet status
  redfleet verify
}

# until_good repeats a command until it ends well. Its exit code says whether waiting
# can help; else, and at the limit, what it said last is shown.
until_good() { # until_good CODES WHAT-IS-WRONG COMMAND…
  local codes=" $1 " wrong=$2 said code
  shift 2
  while true; do
    code=0
    said=$("$@" 2>&1) || code=$?
    if ((code == 0)); then
      return
    fi
    if ((SECONDS > limit)) || [[ $codes != *" $code "* ]]; then
      printf '%s\n\n%s (after %d s). What is there:\n' "$said" "$wrong" "$SECONDS" >&2
      redfleet status >&2 || true
      echo "A machine that is missing says why in: journalctl -u redfleet-lab-join -u redfleet-agent" >&2
      return 1
    fi
    sleep 0.5
  done
}

main
