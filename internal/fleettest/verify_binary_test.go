package fleettest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// The exit codes that scripts rely on.
const (
	exitGood        = 0
	exitCheckFailed = 3
	exitUnreachable = 6
)

// verdictJSON is what `verify -o json` promises.
type verdictJSON struct {
	OK     bool `json:"ok"`
	Checks []struct {
		Name  string   `json:"name"`
		Group string   `json:"group"`
		OK    *bool    `json:"ok"`
		Seen  string   `json:"seen"`
		Want  string   `json:"want"`
		AgeS  *float64 `json:"age_s"`
	} `json:"checks"`
}

// TestVerifyBinary runs `redfleet verify -o json` as a script does: 0 on a whole
// group, 3 with the name of what is broken, with every coordinator down, and 6
// when Consul cannot be read.
func TestVerifyBinary(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "redfleet")
	// With the race detector, as make test has compiled all of it already.
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-race", "-o", bin, "github.com/redfleet/redfleet/cmd/redfleet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, nil)
	replica := index(t, f.WaitServing(servingIn).Master.Node)%3 + 1
	stopCoordinator(f)

	v, code := verify(t, bin, f)
	if code != exitGood || !v.OK {
		t.Errorf("a whole group without a coordinator: exit %d, %+v", code, v)
	}
	var names []string
	for _, c := range v.Checks {
		names = append(names, c.Name)
		group := "" // of the fleet's own checks
		if slices.Contains(assess.CheckNames(fleet.Sentinel), c.Name) {
			group = "main"
		}
		if c.Group != group || c.OK == nil || c.Seen == "" || c.Want == "" || c.AgeS == nil {
			t.Errorf("check %s is not complete: %+v", c.Name, c)
		}
	}
	for _, name := range assess.CheckNames(fleet.Sentinel) {
		if !slices.Contains(names, name) {
			t.Errorf("verify shows no check %q", name)
		}
	}

	cli(t, f, replica, redisPort, "CONFIG SET masterauth wrong")
	f.WaitFor(noticedIn, "the wrong masterauth", func(a fleet.Assessment) bool { return seen(a, assess.CheckCredentials, nil) })
	v, code = verify(t, bin, f)
	if code != exitCheckFailed || v.OK {
		t.Errorf("a broken group: exit %d, ok %v", code, v.OK)
	}
	for _, c := range v.Checks {
		if failed := c.OK != nil && !*c.OK; failed != (c.Name == assess.CheckCredentials) {
			t.Errorf("check %s: ok %v, seen %s", c.Name, !failed, c.Seen)
		}
	}
	cli(t, f, replica, redisPort, "CONFIG SET masterauth "+f.Password())
	f.WaitServing(servingIn)
	if _, code = verify(t, bin, f); code != exitGood {
		t.Errorf("healed: exit %d", code)
	}

	s.SetError(500)
	if _, code = verify(t, bin, f); code != exitUnreachable {
		t.Errorf("Consul without a leader: exit %d, want %d", code, exitUnreachable)
	}
	s.SetError(0)
}

// verify runs the binary with an environment of its own.
func verify(t *testing.T, bin string, f *Fleet) (v verdictJSON, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "verify", "-o", "json")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "REDFLEET_FLEET=" + f.Name, "CONSUL_HTTP_ADDR=" + f.Consul}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
			t.Fatalf("%v in %s", err, stdout.String())
		}
	} else if stderr.Len() == 0 {
		t.Errorf("exit %d without a word", code)
	}
	return v, code
}
