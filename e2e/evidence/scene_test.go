//go:build e2e

package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/history/record"
)

// writers is how many clients write: one that asks WAIT for every replica, one that
// does not.
const writers = 2

// lookLimit is how long replicas may take to have what the master has.
const lookLimit = 20 * time.Second

// scene is three machines with a group, and clients that record what they see.
type scene struct {
	*machinetest.Fleet
	password string
	recorder *record.Recorder
	session  string // of the other asker, while there is one
	faults   []history.Fault
	requests []int // to sentinels, for each fault
}

func start(ctx context.Context, t *testing.T) *scene {
	t.Helper()
	s := &scene{Fleet: machinetest.New(ctx, t, machinetest.Options{})}
	s.BringUp(ctx, t)
	s.password = s.Password(ctx, t)
	o := record.Options{Group: machinetest.GroupName, Servers: map[string]string{}, Password: s.password, Dial: s.Lab.Dial, Writers: 1, WaitWriters: 1}
	for _, n := range s.Nodes {
		o.Servers[n.Name] = fmt.Sprintf("%s:%d", n.Address, machinetest.RedisPort)
		o.Sentinels = append(o.Sentinels, fmt.Sprintf("%s:%d", n.Address, machinetest.SentinelPort))
	}
	var err error
	s.recorder, err = record.Start(context.WithoutCancel(ctx), o)
	check(t, err)
	t.Cleanup(func() { s.recorder.Stop(); _ = s.recorder.Close() })
	machinetest.Eventually(ctx, t, time.Minute, "clients write", func() bool { n, _ := s.recorder.Acknowledged(); return n > 50 })
	return s
}

// other waits until the group has one master and its sentinels agree on it. The one
// that crashed must not be it: the boot fence leaves it to a replica.
func (s *scene) other(ctx context.Context, t *testing.T, old *machine.Node) *machine.Node {
	t.Helper()
	now := s.Settled(ctx, t, s.password)
	if now == old {
		t.Errorf("%s is master again, though its replicas could be promoted", old.Name)
	}
	return now
}

// whole waits until verify holds, no claim is held and every server has everything.
func (s *scene) whole(ctx context.Context, t *testing.T) {
	t.Helper()
	s.WaitServing(ctx, t)
	machinetest.Eventually(ctx, t, time.Minute, "the claim is given up", func() bool { return s.holder(ctx) == "" })
	// More than a call's limit long, so that the one that waits for replicas writes too.
	seen, _ := s.recorder.Acknowledged()
	machinetest.Eventually(ctx, t, time.Minute, "clients write", func() bool { n, _ := s.recorder.Acknowledged(); return n > seen+100 })
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	check(t, s.recorder.Look(ctx))
}

func (s *scene) ready(ctx context.Context, do func(context.Context, *scene) error) error {
	if do == nil {
		return nil
	}
	return do(ctx, s)
}

// said is what the node's agent wrote about failovers.
func (s *scene) said(ctx context.Context, t *testing.T, n *machine.Node) string {
	t.Helper()
	journal, err := n.Journal(ctx, "redfleet-agent.service")
	check(t, err)
	return journal
}

// asked counts the requests that the node's agent has sent to a sentinel.
func (s *scene) asked(ctx context.Context, t *testing.T, n *machine.Node) int {
	t.Helper()
	return strings.Count(s.said(ctx, t, n), "asked the sentinel on")
}

func claimPath() string {
	return "/v1/kv/" + fleet.KeysOf(machinetest.FleetName).Claim(machinetest.GroupName)
}

// holder is the session that holds the group's claim; empty for none, and something
// else where that cannot be told.
func (s *scene) holder(ctx context.Context) string {
	text, err := s.Consul(ctx, s.Nodes[0], http.MethodGet, claimPath(), nil)
	if err != nil {
		return err.Error()
	}
	var found []struct{ Session string }
	if err := json.Unmarshal(text, &found); err != nil || len(found) != 1 {
		return fmt.Sprintf("%s (%v)", text, err)
	}
	return found[0].Session
}

// holdClaim has somebody else take the claim on the group.
func holdClaim(ctx context.Context, s *scene) error {
	n := s.Nodes[0]
	text, err := s.Consul(ctx, n, http.MethodPut, "/v1/session/create", []byte(`{"Name": "another asker"}`))
	if err != nil {
		return err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	s.session = made.ID
	text, err = s.Consul(ctx, n, http.MethodPut, claimPath()+"?acquire="+made.ID, nil)
	if err == nil && strings.TrimSpace(string(text)) != "true" {
		err = fmt.Errorf("the claim was not given: %s", text)
	}
	return err
}

func endClaim(ctx context.Context, s *scene) error {
	_, err := s.Consul(ctx, s.Nodes[0], http.MethodPut, "/v1/session/destroy/"+s.session, nil)
	return err
}

func stopConsul(ctx context.Context, s *scene) error {
	return s.everywhere(func(n *machine.Node) error { return do(ctx, n, "systemctl", "stop", "consul.service") })
}

func startConsul(ctx context.Context, s *scene) error {
	return s.everywhere(func(n *machine.Node) error {
		if err := do(ctx, n, "systemctl", "start", "consul.service"); err != nil {
			return err
		}
		_, err := n.WaitConsulLeader(ctx)
		return err
	})
}

// everywhere does the same on each machine at once.
func (s *scene) everywhere(do func(*machine.Node) error) error {
	errs := make(chan error, len(s.Nodes))
	for _, n := range s.Nodes {
		go func() { errs <- do(n) }()
	}
	var first error
	for range s.Nodes {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// do runs a command on a node that has to succeed.
func do(ctx context.Context, n *machine.Node, argv ...string) error {
	r, err := n.Run(ctx, argv...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s on %s: exit status %d: %s", strings.Join(argv, " "), n.Name, r.Code, r.Stderr)
	}
	return err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
