package fleettest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/records"
)

// TestUnderShippedPolicies: with Consul denying by default, both daemons under
// exactly the shipped policies bring a group to serving and live through a failover,
// and Consul refuses them nothing. A viewer sees the same verdict as who may do all.
func TestUnderShippedPolicies(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	f := Guarded(t, &nets, acl, "test", nil)
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil)})
	f.StartCoordinator(1, nil)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	master := index(t, f.WaitServing(servingIn).Master.Node)
	kill(t, f, master, fleet.KindRedis)
	now := waitMaster(t, f, master)
	masterTagged(t, f, now)
	f.WaitServing(failoverIn)
	if log := f.Log.String(); strings.Contains(log, consul.ErrDenied.Error()) {
		t.Error("Consul refused something; see the log")
	}

	viewer := acl.Client(t, policy.Viewer(f.Name).HCL())
	eventually(t, servingIn, "a viewer sees the group serve", func() bool { // as WaitServing does, which asks again too
		w, err := records.LoadWorld(t.Context(), viewer, f.Name, time.Now(), true)
		if err != nil {
			t.Fatalf("a viewer cannot read the fleet: %v", err)
		}
		a := assess.Group(w, "main")
		return a.State == fleet.GroupServing && failing(a) == ""
	})
	if _, _, err := viewer.Get(t.Context(), f.Keys.Secret("main")); !errors.Is(err, consul.ErrDenied) {
		t.Errorf("a viewer reads a sealed secret: %v", err)
	}
}

// TestEachRightOfADaemonIsNeeded takes each rule of the agent's and of the
// coordinator's policy away, and sees that Consul then refuses something for want of
// just that right: no rule is there for nothing.
func TestEachRightOfADaemonIsNeeded(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	for _, p := range []policy.Policy{policy.Agent("x", consulNode(1)), policy.Coordinator("x", consulNode(0))} {
		for i, rule := range p.Rules {
			if rule.Resource == "agent" {
				continue // for redfleet join: internal/join tests it
			}
			t.Run(p.Role+" without "+strings.ReplaceAll(rule.String(), "/", "."), func(t *testing.T) {
				t.Parallel()
				withoutRule(t, acl, p.Role, i, strings.HasSuffix(rule.Name, "/claim/"))
			})
		}
	}
}

// A claim is for groups with sentinels only.
func withoutRule(t *testing.T, acl *consultest.ACL, role string, i int, sentinels bool) {
	t.Helper()
	name := fmt.Sprintf("%s-%d", role[:1], i)
	var dropped policy.Rule
	f := Guarded(t, &nets, acl, name, func(p policy.Policy) policy.Policy {
		if p.Role == role {
			dropped = p.Rules[i]
			p.Rules = slices.Delete(slices.Clone(p.Rules), i, i+1)
		}
		return p
	})
	f.Apply(fleet.SpecRecord{Spec: f.Spec(1, func(g *fleet.GroupSpec) {
		if !sentinels {
			g.Topology, g.Sentinel, g.OnCrash = fleet.Replication, fleet.SentinelSpec{}, ""
		}
	})})
	f.StartCoordinator(1, nil)
	f.StartAgent(1, nil)
	if strings.Contains(dropped.Name, "/request/") { // one that the coordinator can only end
		putRecord(t, f, f.Keys.Request("1"), fleet.Request{Format: fleet.Format, ID: "1", Kind: fleet.RequestReplace, Node: "n9", Phase: fleet.RequestMade})
	}
	killed := false
	eventually(t, servingIn, "a refusal for want of "+dropped.String(), func() bool {
		// An agent has something to tell once an instance came back.
		if a, err := f.Assessment(t.Context()); err == nil && a.State == fleet.GroupServing && !killed {
			kill(t, f, 1, fleet.KindRedis)
			killed = true
			put(t, f, f.Keys.Recovery("late"), "{}") // there is something to remove
			if dropped.Name == f.Keys.Recovery("n1") {
				loseControl(t, f) // there is something to offer
			}
		}
		return slices.ContainsFunc(refused(f.Log.String()+told(t, f)), dropped.Grants)
	})
}

func loseControl(t *testing.T, f *Fleet) {
	t.Helper()
	if _, err := f.Client.Txn(t.Context(), consul.Delete(f.Keys.Control())); err != nil {
		t.Fatal(err)
	}
}

// told is what the agents report as the reasons of their instances.
func told(t *testing.T, f *Fleet) string {
	t.Helper()
	entries, err := f.Client.List(t.Context(), f.Keys.Reports())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString("\n" + string(e.Value))
	}
	return b.String()
}

// refused are the rights that a log names as missing.
func refused(log string) []consul.Right {
	var out []consul.Right
	for line := range strings.Lines(strings.ReplaceAll(log, `\"`, `"`)) {
		if _, text, found := strings.Cut(line, "missing right "); found {
			resource, rest, _ := strings.Cut(text, ` "`)
			name, rest, _ := strings.Cut(rest, `" `)
			access := strings.FieldsFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })
			resource, prefix := strings.CutSuffix(resource, "_prefix")
			if len(access) > 0 {
				out = append(out, consul.Right{Resource: resource, Prefix: prefix, Name: name, Access: access[0]})
			}
		}
	}
	return out
}
