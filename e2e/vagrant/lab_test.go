//go:build e2e

package vagrant

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/verdict"
)

const (
	// folder has the Vagrantfile.
	folder = "../../vagrant"
	// boxVariable names the box; `make vagrant-test` has it made.
	boxVariable = "REDFLEET_BOX_FILE"
	boxName     = "redfleet/bookworm"
	bridge      = "br0" // a machine.Lab's
)

//go:embed enter.sh
var enterScript string

// lab is one user's Vagrant, with its machines.
type lab struct {
	*machine.Lab
	environment []string
	sshConfig   string // a file, once there is one
}

// newLab makes a Vagrant that knows the box and has no machines. The test's end
// removes all there is.
func newLab(ctx context.Context, t *testing.T, dir string) *lab {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	bare, err := machine.New(ctx, machine.Options{Bare: true, Dir: dir, Log: log})
	check(t, err)
	t.Cleanup(func() { check(t, bare.Close()) })
	consul, err := machine.ConsulBinary(ctx)
	check(t, err)
	l := &lab{Lab: bare, sshConfig: filepath.Join(bare.Dir(), "ssh-config")}
	l.environment = []string{
		"VAGRANT_CWD=" + absolute(t, folder), "VAGRANT_HOME=" + bare.Dir() + "/home", "VAGRANT_DOTFILE_PATH=" + bare.Dir() + "/state",
		"VAGRANT_DEFAULT_PROVIDER=lxc", "VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_BOX_UPDATE_CHECK_DISABLE=1",
		"NODES=3", "REDFLEET_ADDRESS=198.51.100.11", "REDFLEET_LXC_BRIDGE=" + bridge, "REDFLEET_LXC_BOX=" + boxName,
		"REDFLEET_DEB=" + machinetest.Package(ctx, t), "CONSUL_BINARY=" + consul,
	}
	box := os.Getenv(boxVariable)
	if box == "" {
		t.Fatalf("%s names no box: run this by `make vagrant-test`, or set it to what `go run ./vagrant/box` prints", boxVariable)
	}
	l.vagrant(ctx, t, "box", "add", "--name", boxName, box)
	return l
}

// vagrant runs a command of Vagrant's that has to succeed, and returns all it wrote.
func (l *lab) vagrant(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := l.tryVagrant(ctx, args...)
	check(t, err)
	return out
}

func (l *lab) tryVagrant(ctx context.Context, args ...string) (string, error) {
	r, err := l.enter(ctx, append([]string{"vagrant"}, args...)...)
	out := r.Stdout + r.Stderr
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("exit status %d", r.Code)
	}
	if err != nil {
		return out, fmt.Errorf("vagrant %s: %w:\n%s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// enter runs a command of the host where the lab is, see enter.sh.
func (l *lab) enter(ctx context.Context, argv ...string) (machine.Result, error) {
	command := []string{"unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", enterScript, "enter", l.Dir(), l.ID, "env"}
	command = append(command, l.environment...)
	return l.Run(ctx, append(command, argv...)...)
}

// learnToLogIn asks Vagrant once how to log in, so that ssh can do it without it:
// Vagrant takes more than a second for each command.
func (l *lab) learnToLogIn(ctx context.Context, t *testing.T) {
	t.Helper()
	check(t, os.WriteFile(l.sshConfig, []byte(l.vagrant(ctx, t, "ssh-config")), 0o600))
}

// ssh runs a shell script on a machine, as root.
func (l *lab) ssh(ctx context.Context, node, script string) (string, error) {
	r, err := l.Run(ctx, "ssh", "-F", l.sshConfig, "-o", "ConnectTimeout=10", node, "sudo sh -eu -c "+quoted(script))
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("exit status %d", r.Code)
	}
	if err != nil {
		return r.Stdout, fmt.Errorf("on %s: %s: %w: %s%s", node, script, err, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout), nil
}

func (l *lab) mustSSH(ctx context.Context, t *testing.T, node, script string) string {
	t.Helper()
	out, err := l.ssh(ctx, node, script)
	check(t, err)
	return out
}

// quoted is the text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// verified is why the group is not verified, as the node sees it; empty when it is.
func (l *lab) verified(ctx context.Context, node string) string {
	out, err := l.ssh(ctx, node, "redfleet verify --fleet lab -o json || [ $? = 3 ]")
	if err != nil {
		return err.Error()
	}
	var v verdict.Verdict
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		return fmt.Sprintf("redfleet verify on %s: %v: %s", node, err, out)
	}
	for _, c := range v.Failed() {
		return fmt.Sprintf("check %s: seen %s; want %s", c.Name, c.Seen, c.Want)
	}
	if !v.OK || len(v.Checks) < 10 {
		return fmt.Sprintf("redfleet verify on %s: ok is %v, of %d checks", node, v.OK, len(v.Checks))
	}
	return ""
}

// master is the group's, as the node's status names it; empty where there is none.
func (l *lab) master(ctx context.Context, node string) (string, error) {
	out, err := l.ssh(ctx, node, "redfleet status --fleet lab -o json || [ $? = 3 ]")
	if err != nil {
		return "", err
	}
	var s verdict.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return "", fmt.Errorf("redfleet status on %s: %w: %s", node, err, out)
	}
	if len(s.Groups) != 1 {
		return "", fmt.Errorf("redfleet status on %s has %d groups, want 1: %s", node, len(s.Groups), out)
	}
	if s.Groups[0].Master == nil {
		return "", nil
	}
	return s.Groups[0].Master.Node, nil
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	check(t, err)
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
