package fleettest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
)

// recoverer is `redfleet recover` on this fleet.
func recoverer(f *Fleet, hook effect.Hook) recovery.Options {
	return recovery.Options{
		Client: f.Client, Fleet: f.Name, Key: f.Key, Who: "the test's recover", Effects: effect.New(hook), Now: time.Now,
	}
}

// offered waits until every agent offers what it keeps and nothing speaks against a
// recovery.
func offered(t *testing.T, f *Fleet, o recovery.Options) recovery.Finding {
	t.Helper()
	var found recovery.Finding
	eventually(t, toldIn, "the agents' offers can be recovered from", func() bool {
		var err error
		found, err = recovery.Look(t.Context(), o)
		return err == nil && len(found.Refused) == 0
	})
	return found
}

// standing is what must come back just as it was: each node's goal, the sealed
// passwords and the fleet's identity.
func standing(t *testing.T, f *Fleet) map[string]string {
	t.Helper()
	entries, err := f.Client.List(t.Context(), f.Keys.Prefix())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Key, f.Keys.Goals()), strings.HasPrefix(e.Key, f.Keys.Secret("")), e.Key == f.Keys.Control():
			out[e.Key] = string(e.Value)
		}
	}
	return out
}

// goneAgain waits until the coordinator has removed what was offered.
func goneAgain(t *testing.T, f *Fleet) {
	t.Helper()
	eventually(t, toldIn, "what was offered is removed", func() bool {
		keys, err := f.Client.Keys(t.Context(), f.Keys.Recoveries())
		return err == nil && len(keys) == 0
	})
}

// settled waits until all nodes follow what is committed.
func settled(t *testing.T, f *Fleet) {
	t.Helper()
	eventually(t, toldIn, "all nodes follow the last plan", func() bool {
		at := epochs(t, f)
		return at.lowest == at.highest && at.committed == at.highest
	})
}

// TestRecover: Consul loses everything, and one command brings the fleet back: the
// same identities, passwords and goals, no process touched, no client disturbed.
func TestRecover(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	settled(t, f)
	before := standing(t, f)
	o := recoverer(f, nil)
	if found, err := recovery.Look(t.Context(), o); err != nil || !holds(strings.Join(found.Refused, "\n"), "Consul is not empty") {
		t.Errorf("a Consul that is whole: %v, refused %q", err, found.Refused)
	}
	for range 2 { // a second loss is offered anew
		s.LoseAll()
		found := offered(t, f, o)
		if m := found.Plan.Masters["main"]; m.Node == "" {
			t.Error("it does not tell who is master")
		}
		if err := recovery.Write(t.Context(), o, found); err != nil {
			t.Fatal(err)
		}
		f.WaitServing(servingIn)
		goneAgain(t, f)
		settled(t, f)
		if d := cmp.Diff(before, standing(t, f)); d != "" {
			t.Errorf("what came back is something else (-before +after):\n%s", d)
		}
		same()
	}
}

// TestRecoverRefuses: what is there already is never written over, another key and
// another run are noticed.
func TestRecoverRefuses(t *testing.T) {
	t.Parallel()
	s, addr := StandIn(t)
	f := bringOn(t, addr, 3, calm)
	same := undisturbed(t, f)
	settled(t, f)
	s.LoseAll()
	o := recoverer(f, nil)
	found := offered(t, f, o)
	refusal := func(what, want string) {
		t.Helper()
		now, err := recovery.Look(t.Context(), o)
		if err != nil || !holds(strings.Join(now.Refused, "\n"), want) {
			t.Errorf("%s: %v, refused %q, want %q", what, err, now.Refused, want)
		}
	}
	for key, value := range map[string]string{
		f.Keys.Group("main"): `{"format":1,"name":"main","id":"another"}`, f.Keys.Goal("n2"): `{"format":1,"node":"n2"}`,
		f.Keys.Goal("n7"): `{"format":1,"node":"n7"}`, f.Keys.Secret("main"): "nonsense",
	} {
		put(t, f, key, value)
		refusal("a foreign record", key)
		if err := recovery.Write(t.Context(), o, found); !errors.Is(err, recovery.ErrChanged) {
			t.Errorf("written over %s: %v", key, err)
		}
		if _, err := f.Client.Txn(t.Context(), consul.Delete(key)); err != nil {
			t.Fatal(err)
		}
	}
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, func(g *fleet.GroupSpec) { calm(g); g.Sentinel.Quorum = 3 })})
	refusal("another spec", "the spec in Consul does not say what the agents' goals do: group main: sentinel.quorum")
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, func(g *fleet.GroupSpec) { calm(g); g.Prefer = "n3" })})
	found = offered(t, f, o)
	if len(found.There) != 1 || found.Spec.Spec.Groups[0].Prefer != "n3" {
		t.Errorf("the operator's own spec is not taken: there is %v, %+v", found.There, found.Spec.Spec.Groups)
	}
	mine, err := f.Client.CreateSession(t.Context(), "another run", time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client.Acquire(t.Context(), f.Keys.Rebuild(), []byte("another run"), mine); err != nil {
		t.Fatal(err)
	}
	if err := recovery.Write(t.Context(), o, found); !errors.Is(err, recovery.ErrLocked) {
		t.Errorf("beside another run: %v", err)
	}
	if err := f.Client.DestroySession(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	stopAgent(t, f, 3)
	if _, err := f.Client.Txn(t.Context(), consul.Delete(f.Keys.Recovery("n3"))); err != nil {
		t.Fatal(err)
	}
	refusal("a node that offers nothing", "n3 offers nothing")
	o.Without = []string{"n3"}
	found = offered(t, f, o)
	if err := recovery.Write(t.Context(), o, found); err != nil {
		t.Fatal(err)
	}
	eventually(t, toldIn, "the node that was left out has a goal again", func() bool {
		e, found, err := f.Client.Get(t.Context(), f.Keys.Goal("n3"))
		return err == nil && found && len(e.Value) > 0
	})
	f.StartAgent(3, nil)
	f.WaitServing(servingIn)
	same()
}

// TestRecoverUnderShippedPolicies: on a real Consul that denies by default and lost
// the fleet's records, the recovery's own policy is enough, and each right of it is
// needed.
func TestRecoverUnderShippedPolicies(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	f := Guarded(t, &nets, acl, "test", nil)
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, calm)})
	f.StartCoordinator(1, nil)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	same := undisturbed(t, f)
	settled(t, f)
	before := standing(t, f)
	loseRecords(t, f)
	shipped := policy.Recovery(f.Name, consulNode(1))
	o := recoverer(f, nil)
	found := offered(t, f, o)
	for i, rule := range shipped.Rules {
		p := shipped
		p.Rules = slices.Delete(slices.Clone(p.Rules), i, i+1)
		o.Client = acl.Client(t, p.HCL())
		// The lease tries on where Consul refuses the lock: a person would stop it.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := recovery.Look(ctx, o)
		if err == nil {
			err = recovery.Write(ctx, o, found)
		}
		cancel()
		if err == nil {
			t.Errorf("it needs no %v", rule.Right)
		}
		if _, there, err := f.Client.Get(t.Context(), f.Keys.Control()); err != nil || there {
			t.Fatalf("without %v the control record was written (%v)", rule.Right, err)
		}
		found = offered(t, f, recoverer(f, nil)) // what a refused run has written stays
	}
	o.Client = acl.Client(t, shipped.HCL())
	if err := recovery.Write(t.Context(), o, found); err != nil {
		t.Fatal(err)
	}
	f.WaitServing(servingIn)
	goneAgain(t, f)
	settled(t, f)
	if d := cmp.Diff(before, standing(t, f)); d != "" {
		t.Errorf("what came back is something else (-before +after):\n%s", d)
	}
	same()
}
