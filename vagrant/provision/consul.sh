#!/usr/bin/env bash
# Installs Consul on a machine of the lab and starts it: a server on the first three
# machines, a client on all others. It may run again at any time.
#
# NODE, ADDRESS: this machine. MACHINES: all of them, as name=address.
set -euo pipefail

given=/home/vagrant/lab/consul
servers=3

main() {
  name_machines
  install_consul
  # A reload does not change what a server is. Nor do we wait: Consul says that it is
  # ready when it has found another machine, and that one may come up after us.
  if configure || systemctl --quiet is-failed consul.service; then
    systemctl --no-block restart consul.service
  else
    systemctl --no-block start consul.service
  fi
}

# name_machines lets each machine know the others by name, and itself by the address
# that the others have for it: Vagrant gives it one on loopback.
name_machines() {
  local hosts machine
  hosts=$(sed -e '/# redfleet lab$/d' -e "/^127\.0\.[0-9]*\.[0-9]*[[:space:]].*\b$NODE\b/d" /etc/hosts)
  {
    echo "$hosts"
    for machine in $MACHINES; do
      echo "${machine#*=} ${machine%%=*} # redfleet lab"
    done
  } >/etc/hosts.new
  cat /etc/hosts.new >/etc/hosts # in place: it may be mounted
  rm /etc/hosts.new
}

install_consul() {
  if [[ -f $given ]]; then
    cmp --quiet "$given" /usr/bin/consul || install -m 0755 "$given" /usr/bin/consul
    getent passwd consul >/dev/null ||
      useradd --system --user-group --home-dir /var/lib/consul --no-create-home --shell /usr/sbin/nologin consul
    unit >/etc/systemd/system/consul.service
    systemctl daemon-reload
  elif ! command -v consul >/dev/null; then
    from_repository
  fi
  install -d -m 0755 /etc/consul.d
  install -d -o consul -g consul -m 0750 /var/lib/consul
  # The package's own settings would stand beside ours.
  rm -f /etc/consul.d/consul.hcl
}

# from_repository takes HashiCorp's package. It brings a user and a unit of the same
# names as ours; only the machine's settings and Consul's data folder are the lab's.
from_repository() {
  local keys=/usr/share/keyrings/hashicorp.asc
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends ca-certificates curl
  curl --fail --silent --show-error --location --output "$keys" https://apt.releases.hashicorp.com/gpg
  # shellcheck source=/dev/null
  echo "deb [signed-by=$keys] https://apt.releases.hashicorp.com $(. /etc/os-release && echo "$VERSION_CODENAME") main" \
    >/etc/apt/sources.list.d/hashicorp.list
  apt-get update -q
  apt-get install -q -y consul
  install -d /etc/systemd/system/consul.service.d
  printf '[Unit]\nConditionFileNotEmpty=\n\n[Service]\nExecStart=\nExecStart=%s\n' "$(start_line)" \
    >/etc/systemd/system/consul.service.d/lab.conf
  systemctl daemon-reload
}

start_line() { echo "/usr/bin/consul agent -config-dir=/etc/consul.d -data-dir=/var/lib/consul"; }

unit() {
  cat <<U
[Unit]
Description=Consul agent
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User=consul
ExecStart=$(start_line)
ExecReload=/bin/kill -HUP \$MAINPID
# Without a leader a server takes many seconds to leave at SIGINT.
KillSignal=SIGTERM
Restart=on-failure
RestartSec=1s
LimitNOFILE=65536
# A server that is ready only once it has found the others would hold up the boot.
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
U
}

# configure writes the machine's settings, and tells whether they have changed. Only
# the machine itself can reach Consul's HTTP interface.
configure() {
  local config=/etc/consul.d/lab.json join=() server="" machine
  for machine in $MACHINES; do
    if ((${#join[@]} < servers)); then
      join+=("\"${machine#*=}\"")
      if [[ $machine == "$NODE=$ADDRESS" ]]; then
        server="\"server\": true, \"bootstrap_expect\": $servers,"
      fi
    fi
  done
  cat >"$config.new" <<C
{
  $server
  "node_name": "$NODE", "datacenter": "lab", "bind_addr": "$ADDRESS", "client_addr": "127.0.0.1",
  "retry_join": [$(IFS=,; echo "${join[*]}")], "retry_interval": "2s", "leave_on_terminate": false,
  "disable_update_check": true, "performance": { "raft_multiplier": 1 },
  "connect": { "enabled": false }, "ports": { "grpc": -1, "grpc_tls": -1 }
}
C
  chmod 0644 "$config.new"
  systemctl --quiet enable consul.service
  if cmp --quiet "$config.new" "$config"; then
    rm "$config.new"
    return 1
  fi
  mv "$config.new" "$config"
}

main "$@"
