package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ConsulRole is what a node is in the lab's Consul.
type ConsulRole string

// A lab's first nodes are its servers, Options.ConsulServers of them; each is
// created with ConsulServer. All others find Consul there.
const (
	NoConsul     ConsulRole = ""
	ConsulServer ConsulRole = "server"
	ConsulClient ConsulRole = "client"
)

// consulFile is the lab's part of Consul's configuration; a test adds its own in
// other files of the same folder, which Consul reads in the names' order.
const consulFile = "/etc/consul.d/10-lab.json"

func (n *Node) consulConfig(role ConsulRole) string {
	servers := n.lab.options.ConsulServers
	var join []string
	for i := range servers {
		join = append(join, address(i+1).String())
	}
	config := map[string]any{
		"node_name": n.Name, "datacenter": "lab", "bind_addr": n.Address.String(), "client_addr": "0.0.0.0",
		"retry_join": join, "retry_interval": "1s", "leave_on_terminate": false, "disable_update_check": true,
		"performance": map[string]any{"raft_multiplier": 1}, "connect": map[string]any{"enabled": false},
		"ports": map[string]any{"grpc": -1, "grpc_tls": -1},
	}
	if role == ConsulServer {
		config["server"], config["bootstrap_expect"] = true, servers
	}
	text, _ := json.MarshalIndent(config, "", "  ") // maps of plain values: cannot fail
	return string(text) + "\n"
}

// ConsulAddress is where the node's Consul answers, in the lab's network.
func (n *Node) ConsulAddress() string { return n.Address.String() + ":8500" }

// WaitConsulLeader waits until the node's Consul knows a leader, and returns its
// address.
func (n *Node) WaitConsulLeader(ctx context.Context) (string, error) {
	transport := &http.Transport{DialContext: n.lab.Dial, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: time.Second}
	for {
		leader, err := consulLeader(ctx, client, n.ConsulAddress())
		if err == nil {
			return leader, nil
		}
		if ended := sleep(ctx, 50*time.Millisecond); ended != nil {
			return "", fmt.Errorf("waiting for a leader of Consul on %s: %w; last: %w", n.Name, ended, err)
		}
	}
}

func consulLeader(ctx context.Context, client *http.Client, addr string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/status/leader", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", err
	}
	leader := strings.Trim(strings.TrimSpace(string(text)), `"`)
	if resp.StatusCode != http.StatusOK || leader == "" {
		return "", fmt.Errorf("no leader yet (%s)", resp.Status)
	}
	return leader, nil
}

// ConsulBinary is the path that .ci/consul of this repository prints; it builds the
// binary where there is none, which takes minutes, once.
func ConsulBinary(ctx context.Context) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		script := filepath.Join(dir, ".ci", "consul")
		if _, err := os.Stat(script); err == nil {
			out, err := exec.CommandContext(ctx, script).Output()
			if err != nil {
				return "", fmt.Errorf("finding a Consul for the nodes: %s: %w", script, err)
			}
			return strings.TrimSpace(string(out)), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no Consul for the nodes: .ci/consul is not above the working folder; name a binary in Options.Consul")
		}
	}
}
