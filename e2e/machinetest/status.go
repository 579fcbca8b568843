package machinetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/verdict"
)

// ServingLimit is how long a group may take to serve, most of it for a busy host.
const ServingLimit = 90 * time.Second

// Spec is a spec with one Sentinel group of all machines, sentinels on the first
// three. More is TOML that goes to its end: settings of the group.
func (f *Fleet) Spec(more string) string {
	var nodes []string
	for _, n := range f.Nodes {
		nodes = append(nodes, fmt.Sprintf("%q", n.Name))
	}
	sentinels := nodes[:min(len(nodes), consulServers)]
	return fmt.Sprintf("[fleet]\nname = %q\n\n[[group]]\nname = %q\ntopology = \"sentinel\"\nengine = %q\nnodes = [%s]\n\n[group.sentinel]\nnodes = [%s]\n\n%s",
		FleetName, GroupName, f.options.Engine, strings.Join(nodes, ", "), strings.Join(sentinels, ", "), more)
}

// Apply gives the fleet this spec, from its first node.
func (f *Fleet) Apply(ctx context.Context, t testing.TB, spec string) {
	t.Helper()
	n := f.Nodes[0]
	check(t, n.PutFile(ctx, "/root/fleet.toml", []byte(spec), 0o644))
	if r := f.Redfleet(ctx, t, n, "apply", "/root/fleet.toml"); r.Code != 0 {
		t.Fatalf("redfleet apply on %s: exit status %d:\n%s%s", n.Name, r.Code, r.Stdout, r.Stderr)
	}
}

// Figures is how long a bring-up took.
type Figures struct {
	// InstallToServing is from the first dpkg to the group verified; the machines
	// and their Consul were up before. ApplyToServing is the part from `redfleet
	// apply` on.
	InstallToServing, ApplyToServing time.Duration
}

// BringUp takes fresh machines to a group that serves and is verified: Install,
// Join, Apply of Spec(more), WaitServing.
func (f *Fleet) BringUp(ctx context.Context, t testing.TB, more ...string) Figures {
	t.Helper()
	deb := Package(ctx, t) // building it is no part of the figures
	start := time.Now()
	f.install(ctx, t, deb, f.Nodes)
	f.Join(ctx, t)
	applied := time.Now()
	f.Apply(ctx, t, f.Spec(strings.Join(more, "")))
	f.WaitServing(ctx, t)
	return Figures{InstallToServing: time.Since(start), ApplyToServing: time.Since(applied)}
}

// WaitServing waits until the group serves and every check of verify holds, and
// returns the status. It asks a machine that runs.
func (f *Fleet) WaitServing(ctx context.Context, t testing.TB) fleet.Assessment {
	t.Helper()
	var group fleet.Assessment
	why := poll(ctx, ServingLimit, func() (why string) {
		group, why = f.serving(ctx)
		return why
	})
	if why != "" {
		t.Fatalf("the group does not serve within %s: %s", ServingLimit, why)
	}
	return group
}

// serving is the group's status, and why it does not serve yet.
func (f *Fleet) serving(ctx context.Context) (fleet.Assessment, string) {
	n, err := f.asked()
	if err != nil {
		return fleet.Assessment{}, err.Error()
	}
	group, err := f.status(ctx, n)
	if err != nil {
		return group, err.Error()
	}
	if group.State != fleet.GroupServing {
		return group, fmt.Sprintf("it is %s: %s", group.State, group.Reason)
	}
	v, err := f.verify(ctx, n)
	if err != nil {
		return group, err.Error()
	}
	for _, c := range v.Failed() {
		return group, fmt.Sprintf("check %s: seen %s; want %s", c.Name, c.Seen, c.Want)
	}
	if !v.OK {
		return group, "verify says no, and names no check"
	}
	return group, ""
}

// Status is the group's status as the node's `redfleet status -o json` says it, which
// waits where Consul has lost its leader with a machine.
func (f *Fleet) Status(ctx context.Context, t testing.TB, n *machine.Node) fleet.Assessment {
	t.Helper()
	group, err := f.status(ctx, n)
	check(t, err)
	return group
}

// TryStatus is Status for who waits for something: while Consul has no leader, as
// after a machine's loss of power, there is none.
func (f *Fleet) TryStatus(ctx context.Context, n *machine.Node) (fleet.Assessment, error) {
	return f.status(ctx, n)
}

func (f *Fleet) status(ctx context.Context, n *machine.Node) (fleet.Assessment, error) {
	r, err := f.redfleet(ctx, n, "status", "-o", "json")
	if err != nil {
		return fleet.Assessment{}, err
	}
	var doc verdict.Status
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
		return fleet.Assessment{}, fmt.Errorf("redfleet status on %s: exit status %d: %s%s", n.Name, r.Code, r.Stdout, r.Stderr)
	}
	for _, g := range doc.Groups {
		if g.Name == GroupName {
			return g, nil
		}
	}
	return fleet.Assessment{}, errors.New("redfleet status names no group " + GroupName)
}

// verify is the document of `redfleet verify -o json`, good or bad.
func (f *Fleet) verify(ctx context.Context, n *machine.Node) (verdict.Verdict, error) {
	var v verdict.Verdict
	r, err := f.redfleet(ctx, n, "verify", "-o", "json")
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil {
		return v, fmt.Errorf("redfleet verify on %s: exit status %d: %s%s", n.Name, r.Code, r.Stdout, r.Stderr)
	}
	return v, nil
}

// asked is a machine that runs, to ask it about the fleet.
func (f *Fleet) asked() (*machine.Node, error) {
	for _, n := range f.Nodes {
		if n.On() {
			return n, nil
		}
	}
	return nil, errors.New("every machine of the fleet is off")
}

// Master is the machine whose server the group's status names as master, and the
// status. The group must have one.
func (f *Fleet) Master(ctx context.Context, t testing.TB) *machine.Node {
	t.Helper()
	n, err := f.asked()
	check(t, err)
	group := f.Status(ctx, t, n)
	if group.Master == nil {
		t.Fatalf("the group has no master; it is %s: %s", group.State, group.Reason)
	}
	return f.Node(t, group.Master.Node)
}

// Password is the group's, from `redfleet credentials show`.
func (f *Fleet) Password(ctx context.Context, t testing.TB) string {
	t.Helper()
	n, err := f.asked()
	check(t, err)
	r := f.Redfleet(ctx, t, n, "credentials", "show", GroupName)
	if r.Code != 0 {
		t.Fatalf("the group's password: exit status %d: %s", r.Code, r.Stderr)
	}
	return strings.TrimRight(r.Stdout, "\n")
}
