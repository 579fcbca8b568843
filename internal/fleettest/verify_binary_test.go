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
	"github.com/redfleet/redfleet/internal/consul"
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
	f := bringOn(t, addr, 3, calm)
	replica := index(t, f.WaitServing(servingIn).Master.Node)%3 + 1
	stopCoordinator(f)

	v := verifies(t, bin, f, exitGood) // without a coordinator
	if !v.OK {
		t.Errorf("a whole group: ok %v", v.OK)
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
	v = verifies(t, bin, f, exitCheckFailed, assess.CheckCredentials)
	if v.OK {
		t.Errorf("a broken group: ok %v", v.OK)
	}
	cli(t, f, replica, redisPort, "CONFIG SET masterauth "+f.Password())
	f.WaitServing(servingIn)
	verifies(t, bin, f, exitGood) // healed

	s.SetError(500)
	if _, code := verify(t, bin, f); code != exitUnreachable {
		t.Errorf("Consul without a leader: exit %d, want %d", code, exitUnreachable)
	}
	s.SetError(0)
}

// verifies waits until the binary exits with a code and names just these checks as failed:
// on a busy machine a look of an agent can come to nothing, for a second, which another
// check then shows.
func verifies(t *testing.T, bin string, f *Fleet, want int, broken ...string) verdictJSON {
	t.Helper()
	for deadline := time.Now().Add(servingIn); ; {
		v, code := verify(t, bin, f)
		var names, seen []string
		for _, c := range v.Checks {
			if c.OK != nil && !*c.OK {
				names, seen = append(names, c.Name), append(seen, c.Name+": "+c.Seen)
			}
		}
		if code == want && slices.Equal(names, broken) {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("verify exits with %d, not %d, and finds %q, not %q", code, want, seen, broken)
		}
	}
}

// verify runs the binary with an environment of its own.
func verify(t *testing.T, bin string, f *Fleet) (v verdictJSON, code int) {
	t.Helper()
	// It asks a Consul without a leader for up to Patience itself.
	ctx, cancel := context.WithTimeout(t.Context(), consul.Patience+servingIn)
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
