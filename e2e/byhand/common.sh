# What the scripts of this folder share; sourced by them, with DIR set.
# shellcheck shell=bash
set -euo pipefail
umask 077

MASTER_NAME=main
DOWN_AFTER_MS=${DOWN_AFTER_MS:-5000}
FAILOVER_TIMEOUT_MS=${FAILOVER_TIMEOUT_MS:-60000}
POLL_S=0.01
# A throwaway group on loopback. redis-cli takes the password from here, so that
# it is in no argv (docs/hazards.md, C5).
export REDISCLI_AUTH=by-hand-and-throwaway

address() { echo "127.0.0.$((50 + $1))"; }

# nodes prints the numbers of the group's nodes.
nodes() {
  local n
  for ((n = 1; n <= $(<"$DIR/nodes"); n++)); do echo "$n"; done
}

redis() { redis-cli -h "$(address "$1")" -p 6379 "${@:2}" 2>/dev/null; }
sentinel() { redis-cli -h "$(address "$1")" -p 26379 "${@:2}" 2>/dev/null; }

# start_node N: both processes side by side, detached, with their pids kept.
start_node() {
  local home=$DIR/n$1
  start "$home" redis redis-server "$home/redis/redis.conf"
  start "$home" sentinel redis-sentinel "$home/sentinel/sentinel.conf"
}

start() { # start HOME NAME COMMAND…
  local home=$1 name=$2
  setsid "${@:3}" </dev/null >>"$home/$name.log" 2>&1 &
  echo $! >"$home/$name.pid"
}

# end_node N SIGNAL: both processes at once, and wait until they are gone.
end_node() {
  local name pid pids=()
  for name in redis sentinel; do
    pid=$(pid_of "$1" "$name") && pids+=("$pid")
  done
  ((${#pids[@]})) || return 0
  kill "-$2" "${pids[@]}" 2>/dev/null || true
  for name in redis sentinel; do
    while pid_of "$1" "$name" >/dev/null; do sleep "$POLL_S"; done
    rm -f "$DIR/n$1/$name.pid"
  done
}

# pid_of N NAME prints the pid while that very process lives: its folder is ours,
# so a number that was given to another process in the meantime is not taken.
pid_of() {
  local home=$DIR/n$1 pid
  pid=$(cat "$home/$2.pid" 2>/dev/null) || return 1
  grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" || return 1
  # Before its config is read the process still has our own folder and name.
  [[ $(readlink "/proc/$pid/cwd") == "$home/$2" || $(tr '\0' ' ' <"/proc/$pid/cmdline") == *"$home/$2/"* ]] || return 1
  echo "$pid"
}

# current_master prints the number of the node that is master as the sentinels
# that answer have it.
current_master() {
  local n addr
  for n in $(nodes); do
    addr=$(sentinel "$n" sentinel get-master-addr-by-name "$MASTER_NAME" | head -n 1) || continue
    if [[ $addr == 127.0.0.* ]]; then
      echo $((${addr##*.} - 50))
      return
    fi
  done
  return 1
}

# wait_for SECONDS WHAT COMMAND…: asks every 10 ms until COMMAND says yes.
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  until "${@:3}"; do
    if ((SECONDS >= end)); then
      echo "still not so after $1 s: $what" >&2
      return 1
    fi
    sleep "$POLL_S"
  done
}

# replicas_online MASTER COUNT
replicas_online() {
  local online
  online=$(redis "$1" info replication | grep -c '^slave[0-9]*:.*state=online') || true
  ((online == $2))
}

# sees_all N LIST COUNT: sentinel N lists COUNT instances, none of them down, and
# each has answered a PING.
sees_all() {
  sentinel "$1" sentinel "$2" "$MASTER_NAME" | {
    local key value flags="" pending=0 all=0 good=0
    # One value after its key; an entry begins with its name and has
    # last-ok-ping-reply after flags and last-ping-sent.
    while read -r key && read -r value; do
      case $key in
      name) all=$((all + 1)) ;;
      flags) flags=$value ;;
      last-ping-sent) pending=$value ;;
      last-ok-ping-reply)
        # 2 ms, because the sentinel reads its clock anew for each of the two.
        if [[ $flags != *down* && $flags != *disconnected* ]] && ((value > pending + 2)); then
          good=$((good + 1))
        fi
        ;;
      esac
    done
    ((all == $3 && good == $3))
  }
}

# wait_whole SECONDS: until the group stands, with the proof of README.md. What has
# come to hold goes on to hold, so each part is waited for in turn.
wait_whole() {
  local others=$(($(<"$DIR/nodes") - 1)) master n
  wait_for "$1" "a sentinel names the master" current_master >/dev/null
  master=$(current_master)
  wait_for "$1" "$others replicas online" replicas_online "$master" "$others"
  for n in $(nodes); do
    wait_for "$1" "sentinel $n reaches its peers" sees_all "$n" sentinels "$others"
    wait_for "$1" "sentinel $n reaches the replicas" sees_all "$n" replicas "$others"
  done
}
