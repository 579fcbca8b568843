package machinetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/secret"
)

// What follows stands in for the package, and for init and join, until they exist.

const unitText = `[Unit]
After=network.target consul.service
[Service]
Type=exec
KillMode=process
ExecStart=/usr/bin/redfleet %s --config /etc/redfleet/%s.toml
Restart=always
[Install]
WantedBy=multi-user.target
`

func (f *Fleet) installByHand(ctx context.Context, t testing.TB, nodes []*machine.Node) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "redfleet")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/redfleet")
	build.Dir, build.Env = moduleRoot(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text, err := os.ReadFile(binary)
	check(t, err)
	f.Each(t, nodes, func(n *machine.Node) error {
		if err := n.PutFile(ctx, "/usr/bin/redfleet", text, 0o755); err != nil {
			return err
		}
		for _, daemon := range []string{"agent", "coordinator"} {
			unit := fmt.Sprintf(unitText, daemon, daemon)
			if err := n.PutFile(ctx, "/usr/lib/systemd/system/redfleet-"+daemon+".service", []byte(unit), 0o644); err != nil {
				return err
			}
		}
		_, err := run(ctx, n, "systemctl", "daemon-reload")
		return err
	})
}

func (f *Fleet) joinByHand(ctx context.Context, t testing.TB, nodes []*machine.Node) {
	t.Helper()
	if f.key == "" {
		key, err := secret.GenerateKey()
		check(t, err)
		f.key = filepath.Join(t.TempDir(), "fleet.key")
		check(t, key.WriteKey(f.key))
	}
	key, err := os.ReadFile(f.key)
	check(t, err)
	f.Each(t, nodes, func(n *machine.Node) error {
		files := map[string]string{
			"fleet.key":        string(key),
			"agent.toml":       fmt.Sprintf("fleet = %q\nnode = %q\naddress = %q\nsupervisor = \"process\"\n", FleetName, n.Name, n.Address),
			"coordinator.toml": fmt.Sprintf("fleet = %q\nname = %q\n", FleetName, n.Name),
		}
		for name, text := range files {
			if err := n.PutFile(ctx, "/etc/redfleet/"+name, []byte(text), 0o600); err != nil {
				return err
			}
		}
		units := []string{"systemctl", "enable", "--quiet", "--now", "redfleet-agent.service"}
		if slices.Contains(f.coordinators(), n) {
			units = append(units, "redfleet-coordinator.service")
		}
		_, err := run(ctx, n, units...)
		return err
	})
}
