package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// writeFiles writes what the lab's processes read: the same files that an
// operator writes on machines. Doing it again changes nothing but the
// configuration files; a key that is there stays.
func (l *Lab) writeFiles() error {
	if err := l.writeKey(); err != nil {
		return err
	}
	for i, node := range l.Plan.nodes() {
		for _, dir := range []string{"conf", "data", "state", "log"} {
			if err := os.MkdirAll(l.path(node, dir), 0o700); err != nil {
				return fmt.Errorf("the folder of %s: %w", node, err)
			}
		}
		if err := writeTOML(l.path(node, "agent.toml"), l.agentConfig(i)); err != nil {
			return err
		}
		if i < l.Plan.Coordinators {
			if err := writeTOML(l.path(fmt.Sprintf("coordinator%d.toml", i+1)), l.coordinatorConfig(i)); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(l.path("log"), 0o700); err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	if err := writeTOML(l.path("spec.toml"), l.specFile()); err != nil {
		return err
	}
	return writeFile(l.EnvFile(), []byte(l.env()))
}

// writeKey makes the fleet's key once.
func (l *Lab) writeKey() error {
	if _, err := os.Stat(l.KeyFile()); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the fleet's key: %w", err)
	}
	key, err := secret.GenerateKey()
	if err != nil {
		return err
	}
	return key.WriteKey(l.KeyFile())
}

func (l *Lab) agentConfig(i int) specfile.AgentConfig {
	node, addr := l.Plan.nodes()[i], l.Plan.address(i)
	return specfile.AgentConfig{
		Fleet: Fleet, Node: node, Address: addr, HTTP: fmt.Sprintf("%s:%d", addr, httpPort),
		Consul:  l.consulConfig(),
		KeyFile: l.KeyFile(), DataDir: l.path(node, "data"), StateDir: l.path(node, "state"),
		RedisServer: l.Plan.RedisServer, Supervisor: specfile.SupervisorProcess,
	}
}

func (l *Lab) consulConfig() specfile.ConsulConfig {
	return specfile.ConsulConfig{Address: l.Plan.consulAddr(), TokenFile: l.Plan.TokenFile}
}

func (l *Lab) coordinatorConfig(i int) specfile.CoordinatorConfig {
	return specfile.CoordinatorConfig{
		Fleet: Fleet, Name: "c" + l.Plan.nodes()[i][1:], KeyFile: l.KeyFile(),
		Consul: l.consulConfig(),
		// The least that Consul takes (hazard K1): a killed coordinator is then
		// soon replaced.
		LeaseTTL: fleet.Duration(10 * time.Second),
	}
}

// specFile is the spec as a person would write it: without the defaults, so
// that it can be read, changed and applied.
func (l *Lab) specFile() any {
	full := l.Plan.spec().Groups[0]
	group := map[string]any{"name": full.Name, "topology": string(full.Topology), "nodes": full.Nodes}
	if full.Topology == fleet.Sentinel {
		group["sentinel"] = map[string]any{"nodes": full.Sentinel.Nodes, "down_after": full.Sentinel.DownAfter.Std().String()}
	}
	return map[string]any{"fleet": map[string]any{"name": Fleet}, "group": []any{group}}
}

// env is a file for the shell. It names the key's file and holds no secret.
func (l *Lab) env() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The environment of this lab; use it with:  . %s\n", quote(l.EnvFile()))
	fmt.Fprintf(&b, "export REDFLEET_FLEET=%s\n", Fleet)
	fmt.Fprintf(&b, "export CONSUL_HTTP_ADDR=%s\n", quote(l.Plan.consulAddr()))
	if l.Plan.TokenFile != "" {
		fmt.Fprintf(&b, "export CONSUL_HTTP_TOKEN_FILE=%s\n", quote(l.Plan.TokenFile))
	}
	fmt.Fprintf(&b, "export REDFLEET_KEY_FILE=%s\n", quote(l.KeyFile()))
	fmt.Fprintf(&b, "export REDFLEET_LAB_DIR=%s\n", quote(filepath.Dir(l.EnvFile())))
	return b.String()
}

// quote makes a text one word of a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func writeTOML(path string, v any) error {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return writeFile(path, b.Bytes())
}

// writeFile replaces the file in one step; a file that says the same stays.
func writeFile(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := renameio.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
