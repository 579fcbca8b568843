#!/usr/bin/env bash
# Starts the server and the sentinel of a node that was ended.
#
#   start.sh DIR NODE
#   start.sh DIR NODE MASTER   the server alone, as a replica of node MASTER
set -euo pipefail
DIR=$(realpath "${1:?which folder?}")
node=${2:?which node?}
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ -n ${3:-} ]]; then
  if pid_of "$node" redis >/dev/null; then
    echo "node $node runs its redis already" >&2
    exit 1
  fi
  start "$DIR/n$node" redis redis-server "$DIR/n$node/redis/redis.conf" --replicaof "$(address "$3")" 6379
  exit
fi
for name in redis sentinel; do
  if pid_of "$node" "$name" >/dev/null; then
    echo "node $node runs its $name already" >&2
    exit 1
  fi
done
start_node "$node"
