package machinetest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/secret"
)

// What follows stands in for init and join until they exist.

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
			"agent.toml":       fmt.Sprintf("fleet = %q\nnode = %q\naddress = %q\n", FleetName, n.Name, n.Address),
			"coordinator.toml": fmt.Sprintf("fleet = %q\nname = %q\n", FleetName, n.Name),
		}
		modes := map[string]os.FileMode{"fleet.key": 0o600} // the others are for all to read
		for name, text := range files {
			if err := n.PutFile(ctx, "/etc/redfleet/"+name, []byte(text), cmp.Or(modes[name], 0o644)); err != nil {
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
