//go:build e2e

package distro

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/distro"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/systemd"
)

// TestLateKey: somebody writes a key between the look and the stop. The stop saves
// it, and the unit is brought back as it was, with the key.
func TestLateKey(t *testing.T) {
	if machinetest.Inside() {
		lateKey(t)
		return
	}
	ctx := machinetest.Context(t, 2*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 1})
	machinetest.RunInside(ctx, t, f.Nodes[0], "^TestLateKey$")
}

func lateKey(t *testing.T) {
	command(t, "systemctl", "enable", "--now", server)
	written := false
	effects := effect.New(func(_ context.Context, _ effect.Label, at effect.Point) error {
		if at == effect.Before && !written {
			command(t, "redis-cli", "SET", "theirs", "precious")
			written = true
		}
		return nil
	})
	var told []string
	if err := distro.Clear(t.Context(), effects, nil, func(what string) { told = append(told, what) }); err != nil {
		t.Fatal(err)
	}
	if !written || len(told) > 0 {
		t.Errorf("a key was written: %v; told: %q", written, told)
	}
	units, err := systemd.Units(t.Context(), server)
	if err != nil || len(units) != 1 || !units[0].Running || !units[0].Enabled || units[0].Masked {
		t.Errorf("the unit did not come back as it was: %+v, %v", units, err)
	}
	if got := command(t, "redis-cli", "GET", "theirs"); strings.TrimSpace(got) != "precious" {
		t.Errorf("the key is now %q", got)
	}
	findings, err := distro.Look(t.Context())
	if err != nil || !slices.ContainsFunc(findings, func(f distro.Finding) bool {
		return f.Unit == server && f.Verdict == distro.Refuse && strings.Contains(f.Found, "1 key")
	}) {
		t.Errorf("the next look finds %+v, %v", findings, err)
	}
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}
