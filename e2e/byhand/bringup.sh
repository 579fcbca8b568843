#!/usr/bin/env bash
# Brings up a Sentinel group by hand and prints how many seconds it took from the
# first process to a group that stands (README.md says what that is).
#
#   bringup.sh DIR NODES [seeded]
set -euo pipefail
DIR=$(realpath -m "${1:?which folder?}")
count=${2:?how many nodes?}
kind=${3:-plain}
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

write_redis_conf() { # N
  mkdir -p "$DIR/n$1/redis"
  {
    echo "bind $(address "$1")"
    echo "port 6379"
    echo "dir $DIR/n$1/redis"
    echo "requirepass $REDISCLI_AUTH"
    echo "masterauth $REDISCLI_AUTH"
    echo "replica-announce-ip $(address "$1")"
    if (($1 > 1)); then echo "replicaof $(address 1) 6379"; fi
    if [[ $kind == seeded ]]; then echo "repl-diskless-sync-delay 0"; fi
  } >"$DIR/n$1/redis/redis.conf"
}

write_sentinel_conf() { # N
  mkdir -p "$DIR/n$1/sentinel"
  {
    echo "bind $(address "$1")"
    echo "port 26379"
    echo "dir $DIR/n$1/sentinel"
    echo "requirepass $REDISCLI_AUTH"
    echo "sentinel sentinel-pass $REDISCLI_AUTH"
    echo "sentinel announce-ip $(address "$1")"
    if [[ $kind == seeded ]]; then echo "sentinel myid $(myid "$1")"; fi
    echo "sentinel monitor $MASTER_NAME $(address 1) 6379 $((count / 2 + 1))"
    echo "sentinel auth-pass $MASTER_NAME $REDISCLI_AUTH"
    echo "sentinel down-after-milliseconds $MASTER_NAME $DOWN_AFTER_MS"
    echo "sentinel failover-timeout $MASTER_NAME $FAILOVER_TIMEOUT_MS"
    if [[ $kind == seeded ]]; then known "$1"; fi
  } >"$DIR/n$1/sentinel/sentinel.conf"
}

# known N: what sentinel N would learn about the others.
known() {
  local n
  for n in $(nodes); do
    if ((n > 1)); then echo "sentinel known-replica $MASTER_NAME $(address "$n") 6379"; fi
    if ((n != $1)); then echo "sentinel known-sentinel $MASTER_NAME $(address "$n") 26379 $(myid "$n")"; fi
  done
}

myid() { printf '%040x\n' "$1"; }

if [[ -e $DIR/nodes ]]; then
  echo "$DIR holds a group already; end it with stop.sh" >&2
  exit 1
fi
if ((count < 1 || count > 9)); then
  echo "from 1 to 9 nodes, not $count" >&2
  exit 1
fi
mkdir -p "$DIR"
echo "$count" >"$DIR/nodes"
for n in $(nodes); do
  write_redis_conf "$n"
  write_sentinel_conf "$n"
done

began=$EPOCHREALTIME
for n in $(nodes); do start_node "$n"; done
wait_whole 60
ended=$EPOCHREALTIME
microseconds=$((${ended/[.,]/} - ${began/[.,]/}))
printf '%d.%03d\n' $((microseconds / 1000000)) $((microseconds / 1000 % 1000))
