#!/usr/bin/env bash
# Starts the server and the sentinel of a node that was ended.
#
#   start.sh DIR NODE
set -euo pipefail
DIR=$(realpath "${1:?which folder?}")
node=${2:?which node?}
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for name in redis sentinel; do
  if pid_of "$node" "$name" >/dev/null; then
    echo "node $node runs its $name already" >&2
    exit 1
  fi
done
start_node "$node"
