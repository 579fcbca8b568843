#!/usr/bin/env bash
# Kills the master's machine (kill -9 of its server and its sentinel at once), asks
# the other sentinels for the master every 10 ms and writes to whom they name.
# Prints the milliseconds to the first write that a new master took.
#
#   failover.sh DIR
set -euo pipefail
DIR=$(realpath "${1:?which folder?}")
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

write_at_new_master() {
  local master
  master=$(current_master) || return 1
  [[ $master != "$old" && $(redis "$master" set by-hand:failover "$EPOCHREALTIME") == OK ]]
}

old=$(current_master)
began=$EPOCHREALTIME
end_node "$old" KILL
wait_for 60 "a new master takes a write" write_at_new_master
ended=$EPOCHREALTIME
echo $(((${ended/[.,]/} - ${began/[.,]/}) / 1000))
