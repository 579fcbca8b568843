package coordinator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

// writer is a term that leads, and the labels of what it wrote.
type writer struct {
	*term
	labels []effect.Label
}

// leads runs do under the lease, by a clock that goes on a second with each look.
func (s *scene) leads(do func(ctx context.Context, wr *writer) error) {
	s.t.Helper()
	key, err := secret.LoadKey(s.config.KeyFile)
	if err != nil {
		s.t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(s.log)
	clock := time.Unix(1000, 0)
	wr := &writer{}
	d := &daemon{name: "c1", fleet: "shop", keys: s.keys, client: s.client, key: key, log: log, random: rand.Reader,
		now: func() time.Time { clock = clock.Add(time.Second); return clock }}
	d.effects = effect.New(func(_ context.Context, l effect.Label, at effect.Point) error {
		if at == effect.Before {
			wr.labels = append(wr.labels, l)
		}
		return nil
	})
	err = s.client.Lease(s.keys.Lease(), "c1", 10*time.Second, 0).Run(s.t.Context(), func(ctx context.Context, held *consul.Held) error {
		wr.term = &term{daemon: d, held: held}
		return do(ctx, wr)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) put(key string, value []byte) {
	s.t.Helper()
	if _, err := s.client.Txn(s.t.Context(), consul.Set(key, value)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) value(key string) string {
	s.t.Helper()
	e, _, err := s.client.Get(s.t.Context(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(e.Value)
}

// TestWritesOfDecisionsAreCreateOnly (promise one-election): what is there stays as
// it is, whatever was planned upon records that did not show it.
func TestWritesOfDecisionsAreCreateOnly(t *testing.T) {
	t.Parallel()
	group := plan.Plan{Create: []fleet.Group{{Format: fleet.Format, Name: "g0", ID: "mine", CredentialsVersion: 1}}}
	keys := fleet.KeysOf("shop")
	for _, c := range []struct {
		name, key string
		p         plan.Plan
	}{
		{"the control record", keys.Control(), plan.Plan{FleetID: "f", Goals: []fleet.Goal{{Format: fleet.Format, Node: "n1"}}}},
		{"a group", keys.Group("g0"), group},
		{"a group's secret", keys.Secret("g0"), group},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			s.put(c.key, []byte("theirs"))
			s.leads(func(ctx context.Context, wr *writer) error {
				if err := wr.write(ctx, fleet.World{Spec: &fleet.SpecRecord{}}, c.p); !errors.Is(err, consul.ErrConflict) {
					t.Errorf("the write: %v", err)
				}
				return nil
			})
			if got := s.value(c.key); got != "theirs" {
				t.Errorf("it is %q now", got)
			}
		})
	}
}

// TestWritesByLabel: what goes into a plan's transactions, and in which order.
func TestWritesByLabel(t *testing.T) {
	t.Parallel()
	goal := []fleet.Goal{{Format: fleet.Format, Node: "n1", Epoch: 1}}
	for _, c := range []struct {
		name string
		p    plan.Plan
		want []effect.Label
	}{
		{"nothing", plan.Plan{}, nil},
		{"the fleet's identity comes before its first goals", plan.Plan{FleetID: "f", Goals: goal, Epoch: 1}, []effect.Label{LabelDecision, LabelCommit}},
		{"goals alone", plan.Plan{Goals: goal, Epoch: 1}, []effect.Label{LabelCommit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			s.leads(func(ctx context.Context, wr *writer) error {
				err := wr.write(ctx, fleet.World{}, c.p)
				if d := cmp.Diff(c.want, wr.labels); d != "" {
					t.Errorf("the labels (-want +got):\n%s", d)
				}
				return err
			})
		})
	}
}

// TestWritesOfSecrets: a new group's password can be opened with the fleet's key; an
// operator's is taken as it is, and one that this key does not open is refused.
func TestWritesOfSecrets(t *testing.T) {
	t.Parallel()
	other, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	password, err := secret.NewPassword("a-password-of-the-operator")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, 1)
	s.leads(func(_ context.Context, wr *writer) error {
		own, err := secret.Seal(wr.key.Recipient(), password)
		if err != nil {
			return err
		}
		foreign, err := secret.Seal(other.Recipient(), password)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			name, given string
			refused     bool
		}{{"generated", "", false}, {"the operator's", own, false}, {"for another key", foreign, true}} {
			w := fleet.World{Spec: &fleet.SpecRecord{Passwords: map[string]string{"g0": c.given}}}
			b, err := wr.newSecret(w, fleet.Group{Name: "g0", ID: "id", CredentialsVersion: 1})
			if c.refused || err != nil {
				if (err == nil) == c.refused {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			rec, err := records.Decode[fleet.Secret](s.keys.Secret("g0"), b)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if _, err := wr.key.Open(rec.Sealed, rec.Recipient); err != nil || c.given != "" && rec.Sealed != c.given {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		return nil
	})
}

// TestWritesOfPhasesLeaveTheCommit: a plan without goals commits no epoch.
func TestWritesOfPhasesLeaveTheCommit(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.leads(func(ctx context.Context, wr *writer) error {
		w := fleet.World{}
		if err := wr.write(ctx, w, plan.Plan{FleetID: "f", Epoch: 7, Goals: []fleet.Goal{{Format: fleet.Format, Node: "n1", Epoch: 7}}}); err != nil {
			return err
		}
		if wr.written == 0 || wr.written != wr.control || !wr.wroteAt.Equal(time.Unix(1002, 0)) {
			t.Errorf("after two transactions: written %d at %s, control %d", wr.written, wr.wroteAt, wr.control)
		}
		before := wr.written
		if err := wr.write(ctx, s.world(), plan.Plan{Update: []fleet.Group{{Format: fleet.Format, Name: "g", ID: "g", Phase: fleet.PhaseVerifying}}}); err != nil {
			return err
		}
		if wr.written <= before {
			t.Errorf("a write at index %d leaves %d as the last one", before, wr.written)
		}
		return nil
	})
	if w := s.world(); w.Control.Committed != 7 || len(w.Groups) != 1 {
		t.Errorf("control %+v, groups %v", w.Control, w.Groups)
	}
}

// TestWritesOfAStalePlanStopAtTheFirstBatch: a plan of several transactions that was
// made upon old records writes none of its goals.
func TestWritesOfAStalePlanStopAtTheFirstBatch(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	var goals []fleet.Goal
	for i := range 2 * opsPerTxn {
		goals = append(goals, fleet.Goal{Format: fleet.Format, Node: fmt.Sprintf("n%d", i), Epoch: 1})
	}
	s.leads(func(ctx context.Context, wr *writer) error {
		s.put(s.keys.Control(), []byte("theirs")) // committed since, by another plan
		if err := wr.write(ctx, fleet.World{}, plan.Plan{Epoch: 1, Goals: goals}); !errors.Is(err, consul.ErrConflict) {
			t.Errorf("the write: %v", err)
		}
		return nil
	})
	entries, err := s.client.List(t.Context(), strings.TrimSuffix(s.keys.Goal("n0"), "n0"))
	if err != nil || len(entries) != 0 {
		t.Errorf("%d goals are written: %v", len(entries), err)
	}
}

// TestWritesOfKeys: a node that reports gets the key that its agent watches, once
// there is a fleet; a goal that came meanwhile is left as it is (hazard K4).
func TestWritesOfKeys(t *testing.T) {
	t.Parallel()
	reports := func(n int) map[string]fleet.ReportRecord {
		out := map[string]fleet.ReportRecord{}
		for i := range n {
			out[fmt.Sprintf("n%d", i)] = fleet.ReportRecord{Alive: true}
		}
		return out
	}
	control := &fleet.Control{Format: fleet.Format, FleetID: "f"}
	for _, c := range []struct {
		name    string
		w       fleet.World
		p       plan.Plan
		entries []string
		writes  int
		keys    int
	}{
		{"two nodes", fleet.World{Control: control, Reports: reports(2)}, plan.Plan{}, nil, 1, 2},
		{"one has its key", fleet.World{Control: control, Reports: reports(2)}, plan.Plan{}, []string{"n1"}, 1, 1},
		{"one is given its goal by this plan", fleet.World{Control: control, Reports: reports(2)}, plan.Plan{Goals: []fleet.Goal{{Node: "n1"}}}, nil, 1, 1},
		{"all have theirs", fleet.World{Control: control, Reports: reports(1)}, plan.Plan{}, []string{"n0"}, 0, 0},
		{"no fleet yet", fleet.World{Reports: reports(2)}, plan.Plan{}, nil, 0, 0},
		{"halted", fleet.World{Control: control, Reports: reports(2)}, plan.Plan{Halt: "strange agents"}, nil, 0, 0},
		{"more than fit a transaction", fleet.World{Control: control, Reports: reports(opsPerTxn + 1)}, plan.Plan{}, nil, 1, opsPerTxn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			var entries []consul.Entry
			for _, node := range c.entries {
				entries = append(entries, consul.Entry{Key: s.keys.Goal(node)})
			}
			s.leads(func(ctx context.Context, wr *writer) error {
				err := wr.makeKeys(ctx, entries, c.w, c.p)
				if len(wr.labels) != c.writes {
					t.Errorf("%d writes, want %d", len(wr.labels), c.writes)
				}
				return err
			})
			made, err := s.client.List(t.Context(), strings.TrimSuffix(s.keys.Goal("n0"), "n0"))
			if err != nil || len(made) != c.keys || slices.ContainsFunc(made, func(e consul.Entry) bool { return len(e.Value) > 0 }) {
				t.Errorf("%d keys, want %d: %v", len(made), c.keys, err)
			}
		})
	}
	s := newScene(t, 1)
	s.put(s.keys.Goal("n0"), []byte("theirs"))
	s.leads(func(ctx context.Context, wr *writer) error {
		if err := wr.makeKeys(ctx, nil, fleet.World{Control: control, Reports: reports(1)}, plan.Plan{}); !errors.Is(err, consul.ErrConflict) {
			t.Errorf("the write: %v", err)
		}
		return nil
	})
	if got := s.value(s.keys.Goal("n0")); got != "theirs" {
		t.Errorf("the goal is %q now", got)
	}
}

// TestWritesOfClaims: a group with sentinels gets the key by which its agents claim
// the right to ask for a failover; one that is held is left as it is (hazard S18).
func TestWritesOfClaims(t *testing.T) {
	t.Parallel()
	control := &fleet.Control{Format: fleet.Format, FleetID: "f"}
	many := map[string]fleet.Group{}
	for i := range opsPerTxn + 1 {
		many[fmt.Sprintf("g%d", i)] = fleet.Group{Topology: fleet.Sentinel}
	}
	for _, c := range []struct {
		name   string
		groups map[string]fleet.Group
		there  []string
		keys   int
	}{
		{"with sentinels", map[string]fleet.Group{"a": {Topology: fleet.Sentinel}, "b": {Topology: fleet.Sentinel}}, nil, 2},
		{"without", map[string]fleet.Group{"a": {Topology: fleet.Replication}}, nil, 0},
		{"one is there", map[string]fleet.Group{"a": {Topology: fleet.Sentinel}, "b": {Topology: fleet.Sentinel}}, []string{"a"}, 1},
		{"more than fit a transaction", many, nil, opsPerTxn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			var entries []consul.Entry
			for _, group := range c.there {
				entries = append(entries, consul.Entry{Key: s.keys.Claim(group)})
			}
			s.leads(func(ctx context.Context, wr *writer) error {
				return wr.makeKeys(ctx, entries, fleet.World{Control: control, Groups: c.groups}, plan.Plan{})
			})
			made, err := s.client.List(t.Context(), s.keys.Claims())
			if err != nil || len(made) != c.keys {
				t.Errorf("%d keys, want %d: %v", len(made), c.keys, err)
			}
		})
	}
	s := newScene(t, 1)
	s.put(s.keys.Claim("a"), []byte("theirs"))
	s.leads(func(ctx context.Context, wr *writer) error {
		w := fleet.World{Control: control, Groups: map[string]fleet.Group{"a": {Topology: fleet.Sentinel}}}
		if err := wr.makeKeys(ctx, nil, w, plan.Plan{}); !errors.Is(err, consul.ErrConflict) {
			t.Errorf("the write: %v", err)
		}
		return nil
	})
	if got := s.value(s.keys.Claim("a")); got != "theirs" {
		t.Errorf("the claim is %q now", got)
	}
}
