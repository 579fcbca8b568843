package specfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestReadSpec(t *testing.T) {
	t.Parallel()
	got, warnings, err := ReadSpec("testdata/good/spec.toml")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("got %v, %v", warnings, err)
	}
	want := fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{
		{
			Name: "sessions", Topology: fleet.Sentinel, Engine: "redis", Nodes: []string{"n1", "n2", "n3"}, Port: 6379,
			Password: fleet.PasswordSpec{Generate: true}, Service: "shop-sessions", Prefer: "n1", OnCrash: fleet.OnCrashFailover,
			Durability: fleet.Bounded, MaxLag: fleet.Duration(5 * time.Second),
			Sentinel: fleet.SentinelSpec{
				Nodes: []string{"n1", "n2", "n3"}, Port: 26379, MasterName: "sessions", Quorum: 2,
				DownAfter: fleet.Duration(5 * time.Second), FailoverTimeout: fleet.Duration(time.Minute),
				ParallelSyncs: 1, Announce: "address",
			},
			Config: fleet.Directives{
				"maxmemory": {"512mb"}, "appendonly": {"yes"}, "hz": {"20"}, "save": {"900 1", "300 10"},
				"client-output-buffer-limit": {"pubsub 32mb 8mb 60"},
			},
		},
		{
			Name: "carts", Topology: fleet.Replication, Engine: "redis", Nodes: []string{"n1", "n2"}, Port: 6380,
			Password: fleet.PasswordSpec{File: "/etc/shop/carts.password"}, Service: "shop-carts", Durability: fleet.Fast,
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadAgent(t *testing.T) {
	t.Parallel()
	got, err := ReadAgent("testdata/good/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := AgentConfig{
		Fleet: "shop", Node: "n1", Address: "10.0.0.11", Bind: []string{"10.0.0.11"}, HTTP: "10.0.0.11:6480",
		Zone: "a", Priority: 100, Labels: map[string]string{"rack": "4"}, Consul: ConsulConfig{Address: "127.0.0.1:8500"},
		KeyFile: "/etc/redfleet/fleet.key", DataDir: "/var/lib/redfleet", StateDir: "/var/lib/redfleet/state",
		Supervisor: "systemd", User: "redfleet", InstanceLog: "journal", LogLevel: "info", LogFormat: "text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadCoordinator(t *testing.T) {
	t.Parallel()
	got, err := ReadCoordinator("testdata/good/coordinator.toml", "")
	if err != nil {
		t.Fatal(err)
	}
	want := CoordinatorConfig{
		Fleet: "shop", Name: "c1", KeyFile: "/etc/redfleet/fleet.key", Consul: ConsulConfig{Address: "127.0.0.1:8500"},
		LeaseTTL: fleet.Duration(15 * time.Second), LogLevel: "info", LogFormat: "text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCredentials: what systemd hands over is used instead of the file of that
// name; what it does not is left as it is written.
func TestCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fleet.key"), []byte("key\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "consul.token"), []byte("\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(t.TempDir(), "coordinator.toml")
	text := "fleet = \"shop\"\nname = \"c1\"\n[consul]\ntoken_file = \"/no/such/consul.token\"\n"
	if err := os.WriteFile(with, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCoordinator(with, dir); err == nil || !strings.Contains(err.Error(), "/no/such/consul.token: no such file") {
		t.Errorf("a token that is named and missing: %v", err)
	}
	got, err := ReadCoordinator("testdata/good/coordinator.toml", dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "fleet.key"); got.KeyFile != want || got.Consul.TokenFile != "" {
		t.Errorf("key %s, token %q; want %s and none", got.KeyFile, got.Consul.TokenFile, want)
	}
}

// TestWrittenFilesAreRead: what a program writes from the same structs, with
// defaults or without, the strict reader takes.
func TestWrittenFilesAreRead(t *testing.T) {
	t.Parallel()
	bare := fleet.Spec{Fleet: fleet.FleetSpec{Name: "lab"}, Groups: []fleet.GroupSpec{
		{Name: "main", Nodes: []string{"n1", "n2", "n3"}, Config: fleet.Directives{"save": {"900 1", ""}}},
		{Name: "plain", Topology: fleet.Replication, Nodes: []string{"n4", "n5"}},
	}}
	want := bare.WithDefaults()
	for name, spec := range map[string]fleet.Spec{"bare": bare, "with defaults": want} {
		got, _, err := ReadSpec(encoded(t, spec))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	agent := AgentConfig{Fleet: "lab", Node: "n1", Address: "127.0.0.11"}
	for name, c := range map[string]AgentConfig{"bare": agent, "with defaults": agent.WithDefaults()} {
		got, err := ReadAgent(encoded(t, c))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(agent.WithDefaults(), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	coordinator := CoordinatorConfig{Fleet: "lab", Name: "c1"}
	for name, c := range map[string]CoordinatorConfig{"bare": coordinator, "with defaults": coordinator.WithDefaults()} {
		got, err := ReadCoordinator(encoded(t, c), "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(coordinator.WithDefaults(), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	return written(t, out.String())
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none.toml")
	_, _, specErr := ReadSpec(none)
	_, agentErr := ReadAgent(none)
	_, coordinatorErr := ReadCoordinator(none, "")
	for _, err := range []error{specErr, agentErr, coordinatorErr} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), none) {
			t.Errorf("got %v", err)
		}
	}
}

// TestFilesThatAreNamed: what an agent's file names has to be there and fit.
func TestFilesThatAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("planted-token"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	tests := []struct{ name, text, says string }{
		{"a good token", "[consul]\ntoken_file = '" + file("good", 0o640) + "'", ""},
		{"a token for everybody", "[consul]\ntoken_file = '" + file("open", 0o644) + "'", "can be read by every user (mode 0644); run: chmod o-rwx "},
		{"a folder for a token", "[consul]\ntoken_file = '" + dir + "'", "is not a plain file"},
		{"a program", "redis_server = '" + file("program", 0o755) + "'", ""},
		{"no program", "redis_server = '" + file("plain", 0o644) + "'", "is not a program that can be run"},
		{"a folder of templates", "templates_dir = '" + dir + "'", ""},
		{"a file for a folder", "templates_dir = '" + file("file", 0o644) + "'", "is not a folder"},
		{"consul by socket", "[consul]\naddress = 'unix:///run/consul.sock'", ""},
		{"consul by URL", "[consul]\naddress = 'https://consul.example.com:8501'", ""},
		{"a password in consul's URL", "[consul]\naddress = 'https://me:planted-token@consul.example.com'", "put an ACL token into token_file"},
		{"IPv6", "http = '[::1]:6480'\nbind = ['::1', '10.0.0.11']", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadAgent(written(t, "fleet = 'shop'\nnode = 'n1'\naddress = '10.0.0.11'\n"+tt.text+"\n"))
			switch {
			case tt.says == "" && err != nil, tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want %q", err, tt.says)
			case err != nil && strings.Contains(err.Error(), "planted-token"):
				t.Errorf("shown: %v", err)
			}
		})
	}
}
