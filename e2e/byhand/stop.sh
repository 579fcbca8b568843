#!/usr/bin/env bash
# Ends the group: exactly the processes that bringup.sh and start.sh started, by
# pid, and then its folder.
#
#   stop.sh DIR
set -euo pipefail
DIR=$(realpath -m "${1:?which folder?}")
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ ! -e $DIR/nodes ]]; then
  echo "$DIR holds no group" >&2
  exit 1
fi
# The dataset is thrown away, so nobody has to save it.
for n in $(nodes); do end_node "$n" KILL; done
for n in $(nodes); do rm -rf "$DIR/n$n"; done
rm -f "$DIR/nodes"
rmdir --ignore-fail-on-non-empty "$DIR"
