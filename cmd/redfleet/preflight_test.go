package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/preflight"
)

func TestPreflightUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"--ignore", "machineid"}, `did you mean "machine-id"?`},
		{[]string{"--peer", "n2"}, "write NODE=ADDRESS"},
		{[]string{"--peer", "n2=somewhere"}, "write NODE=ADDRESS"},
		{[]string{"--fix", "-o", "json"}, "give --yes too"},
		{[]string{"--fix", "--listen", "1s"}, "two things"},
		{[]string{"--listen", "1h"}, "up to 10m"},
	} {
		redfleet(t, append([]string{"preflight"}, c.args...)...).want(t, 64, "", c.stderr)
	}
}

// Before a machine has joined, a spec and a name are enough; what could not be
// looked at is said, and the exit code is that of the errors.
func TestPreflightBeforeJoining(t *testing.T) {
	dir := t.TempDir()
	spec := filepath.Join(dir, "spec.toml")
	text := "[fleet]\nname = \"shop\"\n[[group]]\nname = \"main\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nport = 7391\n[group.sentinel]\nport = 27391\n"
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"preflight", "-o", "json", "--config", filepath.Join(dir, "agent.toml"), "--spec", spec, "--node", "n1",
		"--address", "127.0.0.1", "--peer", "n2=127.0.0.2", "--consul", "127.0.0.1:1"}
	out := redfleet(t, args...)
	var d preflight.Document
	if err := json.Unmarshal([]byte(out.stdout), &d); err != nil {
		t.Fatalf("%v: %+v", err, out)
	}
	if d.OK || out.code != exitCheckFailed { // Consul cannot be reached at that port
		t.Errorf("ok %v, exit code %d", d.OK, out.code)
	}
	want := map[string]preflight.Status{
		"config": preflight.Warning, "spec": preflight.OK, "consul": preflight.Error, "rights": preflight.NotApplicable,
		"machine-id": preflight.NotApplicable, "reachable": preflight.Warning, // n3's address is not known
	}
	for _, c := range d.Checks {
		if s, asked := want[c.Name]; asked && s != c.Status {
			t.Errorf("%s is %s: %s; want %s", c.Name, c.Status, c.Found, s)
		}
	}
	ignored := args
	for _, name := range preflight.Names() {
		ignored = append(ignored, "--ignore", name)
	}
	if out := redfleet(t, ignored...); out.code != 0 || !strings.Contains(out.stdout, `"was": "error"`) {
		t.Errorf("all ignored: exit code %d, %s", out.code, out.stdout)
	}
}
