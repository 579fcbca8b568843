package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// fenceNode is a machine's disk, as an agent left it that is gone: a server that
// ran in a group of which nobody else answers. It gives the agent's file.
func fenceNode(t *testing.T, conf string) (config, redisConf string) {
	t.Helper()
	dir := t.TempDir()
	key, err := secret.GenerateKey()
	must(t, err)
	must(t, key.WriteKey(filepath.Join(dir, "fleet.key")))
	password, err := secret.NewPassword("geheim")
	must(t, err)
	sealed, err := secret.Seal(key.Recipient(), password)
	must(t, err)
	store, err := state.Open(filepath.Join(dir, "state"))
	must(t, err)
	id := fleet.NewInstanceID(fleet.KindRedis, "main", 7777)
	g := fleet.InstanceGoal{
		ID: id, Group: "main", GroupID: "g1", Kind: fleet.KindRedis, Topology: fleet.Sentinel, Engine: fleet.EngineRedis,
		Assigned: fleet.Running, Addr: fleet.Addr{Host: "127.0.0.1", Port: 7777}, SecretVersion: 1, Monitor: &fleet.Monitor{MasterName: "main"},
	}
	for i := range 3 { // the other nodes have the ports 2 and 3, where nobody listens
		g.Servers = append(g.Servers, fleet.Member{Node: fmt.Sprintf("n%d", i+1), Addr: fleet.Addr{Host: "127.0.0.1", Port: 1 + i}})
		g.Sentinels = append(g.Sentinels, fleet.Member{Node: fmt.Sprintf("n%d", i+1), Addr: fleet.Addr{Host: "127.0.0.1", Port: 4 + i}})
	}
	must(t, store.SaveGoal(fleet.Goal{Node: "n1", FleetID: "f1", Instances: []fleet.InstanceGoal{g}}))
	must(t, store.SaveSecret(fleet.Secret{Group: "main", GroupID: "g1", Version: 1, Recipient: key.Recipient(), Sealed: sealed}))
	must(t, os.WriteFile(filepath.Join(dir, "state", "instances", string(id)+".json"), []byte(`{"started": true, "had_data": true}`), 0o600))
	folder := filepath.Join(dir, "data", string(id))
	must(t, os.MkdirAll(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "identity"), []byte("g1"), 0o600))
	redisConf = filepath.Join(folder, "redis.conf")
	must(t, os.WriteFile(redisConf, []byte(conf), 0o600))
	config = filepath.Join(dir, "agent.toml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, "fleet = \"f\"\nnode = \"n1\"\naddress = \"127.0.0.1\"\nkey_file = %q\ndata_dir = %q\nstate_dir = %q\n",
		filepath.Join(dir, "fleet.key"), filepath.Join(dir, "data"), filepath.Join(dir, "state")), 0o600))
	return config, redisConf
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFence: the exit codes, which systemd and operators go by, and the lines for
// the journal. Nothing of it needs Consul, which the file says is at a port where
// nobody listens.
func TestFence(t *testing.T) {
	const id = "redis-main-7777"
	replica, conf := fenceNode(t, "replicaof 127.0.0.1 2\nport 7777\n")
	o := redfleet(t, "fence", id, "--config", replica, "--wait", "0s")
	o.want(t, exitGood, "", id+" starts as a replica of 127.0.0.1:2, by the rule as-it-was: ")
	b, err := os.ReadFile(conf)
	must(t, err)
	if !strings.Contains(string(b), "replicaof 127.0.0.1 2\n") || !strings.Contains(string(b), "requirepass geheim\n") {
		t.Error("the role and the password are not in redis.conf")
	}
	master, conf := fenceNode(t, "port 7777\n")
	o = redfleet(t, "fence", id, "--config", master, "--wait", "300ms")
	o.want(t, exitHalted, "", id+" is held by the rule no-majority: ")
	o.want(t, exitHalted, "", "nothing is started")
	if b, err := os.ReadFile(conf); err != nil || string(b) != "port 7777\n" {
		t.Errorf("a server that is held has its file changed (%v)", err)
	}
	redfleet(t, "fence", "redis-old-1", "--config", master).want(t, exitOther, "", "no redis-old-1 in goal")
	redfleet(t, "fence", id, "--config", filepath.Join(t.TempDir(), "none.toml")).want(t, exitOther, "", "none.toml")
	redfleet(t, "fence").want(t, exitUsage, "", "INSTANCE is missing")
	if strings.Contains(o.stderr, "geheim") {
		t.Error("the password is in the output")
	}
}
