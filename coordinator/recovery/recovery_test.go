package recovery

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lost is a Consul without the fleet's records, where agents offer what they keep.
type lost struct {
	t     *testing.T
	stand *devconsul.Server
	o     Options
	keys  fleet.Keys
}

// empty starts a stand-in for Consul, with nothing in it.
func empty(t *testing.T) *lost {
	t.Helper()
	l := &lost{t: t, stand: devconsul.New(devconsul.Options{MinTTL: 100 * time.Millisecond, TTLFactor: 1}), keys: fleet.KeysOf("shop")}
	server := httptest.NewServer(l.stand.Handler())
	client, err := consul.New(consul.Options{Address: strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); l.stand.Close(); server.CloseClientConnections(); server.Close() })
	key, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	l.o = Options{Client: client, Fleet: "shop", Key: key, Who: "a test", Effects: effect.New(nil), Now: time.Now}
	return l
}

// offer has n nodes offer a group without sentinels.
func (l *lost) offer(n int) {
	l.t.Helper()
	password, err := secret.NewPassword("a-password-for-this-test")
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := secret.Seal(l.o.Key.Recipient(), password)
	if err != nil {
		l.t.Fatal(err)
	}
	sec := fleet.Secret{Format: fleet.Format, Group: "main", GroupID: "M", Version: 1, Recipient: l.o.Key.Recipient(), Sealed: text}
	base := fleet.InstanceGoal{
		Group: "main", GroupID: "M", Kind: fleet.KindRedis, Topology: fleet.Replication, Engine: fleet.EngineRedis, Service: "shop-main",
		Assigned: fleet.Running, SecretVersion: 1, ID: fleet.NewInstanceID(fleet.KindRedis, "main", 6379),
	}
	var all []fleet.Member
	for i := range n {
		all = append(all, fleet.Member{Node: node(i), Addr: fleet.Addr{Host: fmt.Sprintf("10.0.0.%d", i+1), Port: 6379}})
	}
	base.Servers = all[:min(n, 3)] // the group; a node beyond it is one that it has forgotten
	var ops []consul.Op
	for i, m := range all {
		inst := base
		inst.Addr = m.Addr
		goal := fleet.Goal{Format: fleet.Format, FleetID: "F", Node: m.Node, Epoch: 7, Instances: []fleet.InstanceGoal{inst}}
		ops = append(ops, l.set(l.keys.Recovery(m.Node), fleet.Recovery{
			Format: fleet.Format, Node: m.Node, Agent: "agent-" + m.Node, FleetID: "F", Epoch: 7, Goal: goal, Secrets: []fleet.Secret{sec},
		}), l.set(l.keys.Report(m.Node), fleet.Report{Format: fleet.Format, Node: node(i), FleetID: "F", Epoch: 7, Address: m.Addr.Host}))
	}
	for chunk := range slices.Chunk(ops, 20) {
		if _, err := l.o.Client.Txn(l.t.Context(), chunk...); err != nil {
			l.t.Fatal(err)
		}
	}
}

func node(i int) string { return fmt.Sprintf("n%03d", i+1) }

func (l *lost) set(key string, v any) consul.Op {
	l.t.Helper()
	b, err := records.Encode(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return consul.Set(key, b)
}

func (l *lost) put(key string, v any) {
	l.t.Helper()
	if _, err := l.o.Client.Txn(l.t.Context(), l.set(key, v)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lost) look() Finding {
	l.t.Helper()
	f, err := Look(l.t.Context(), l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// records are the rebuilt ones, by key, without the moment of their making.
func (l *lost) records() map[string]string {
	l.t.Helper()
	entries, err := l.o.Client.List(l.t.Context(), l.keys.Prefix())
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		switch {
		case e.Key == l.keys.Group("main"):
			g, err := records.Decode[fleet.Group](e.Key, e.Value)
			if err != nil {
				l.t.Fatal(err)
			}
			out[e.Key] = g.ID + string(g.Phase)
		case isRecord(l.keys, e.Key), e.Key == l.keys.Control():
			out[e.Key] = string(e.Value)
		}
	}
	return out
}

// TestCuts ends a recovery before and after each of its effects: a run after it ends
// with the same records, and nothing counts before the last one (resumable).
func TestCuts(t *testing.T) {
	t.Parallel()
	want := map[int]map[string]string{}
	for _, nodes := range []int{3, 70} { // 70 goals are more than one transaction has room for
		whole := empty(t)
		whole.offer(nodes)
		if err := Write(t.Context(), whole.o, whole.look()); err != nil {
			t.Fatal(err)
		}
		want[nodes] = whole.records()
	}
	for _, label := range Labels() {
		for _, at := range []effect.Point{effect.Before, effect.After} {
			t.Run(fmt.Sprintf("%s %s", at, label), func(t *testing.T) {
				t.Parallel()
				nodes := 3
				if label == LabelRecords {
					nodes = 70
				}
				l := empty(t)
				l.offer(nodes)
				cutAt(t, l, label, at)
				got := l.records()
				if len(got) != nodes+4 {
					t.Errorf("%d records, want a goal for each of %d nodes, group, secret, spec and control", len(got), nodes)
				}
				for _, key := range []string{l.keys.Secret("main"), l.keys.Control()} { // another key, another password's seal
					delete(got, key)
				}
				for key, value := range got {
					if value != want[nodes][key] {
						t.Errorf("%s is %s, want %s", key, value, want[nodes][key])
					}
				}
			})
		}
	}
}

// cutAt cuts one run and makes another after it, unless the first had done all.
func cutAt(t *testing.T, l *lost, label effect.Label, at effect.Point) {
	t.Helper()
	errCut := errors.New("cut here")
	cut, mortal := false, l.o
	mortal.Effects = effect.New(func(_ context.Context, now effect.Label, p effect.Point) error {
		if cut = cut || now == label && p == at; cut {
			return errCut
		}
		return nil
	})
	if err := Write(t.Context(), mortal, l.look()); !errors.Is(err, errCut) {
		t.Fatalf("the cut gave %v", err)
	}
	_, counts, err := l.o.Client.Get(t.Context(), l.keys.Control())
	if done := label == LabelCommit && at == effect.After; err != nil || counts != done {
		t.Fatalf("the control record is there: %v, want %v (%v)", counts, done, err)
	}
	if counts {
		return
	}
	left := l.look()
	if wrote := label == LabelRecords && at == effect.After || label == LabelCommit; wrote != (len(left.There) > 0) {
		t.Errorf("after the cut %d records are there", len(left.There))
	}
	if err := Write(t.Context(), l.o, left); err != nil {
		t.Fatal(err)
	}
}

// TestACoordinatorsPlanIsNotCrossed: a control record that appears between the look
// and the writing refuses all of it.
func TestACoordinatorsPlanIsNotCrossed(t *testing.T) {
	t.Parallel()
	l := empty(t)
	l.offer(3)
	shown := l.look()
	o := l.o
	o.Effects = effect.New(func(_ context.Context, label effect.Label, at effect.Point) error {
		if label == LabelRecords && at == effect.Before {
			l.put(l.keys.Control(), fleet.Control{Format: fleet.Format, FleetID: "another"})
		}
		return nil
	})
	err := Write(t.Context(), o, shown)
	if !errors.Is(err, consul.ErrConflict) || !strings.Contains(err.Error(), l.keys.Control()) {
		t.Fatalf("it gave %v", err)
	}
	if got := l.records(); len(got) != 1 {
		t.Errorf("written beside it: %v", got)
	}
}

// TestAnotherKey: who has another fleet's key rebuilds nothing.
func TestAnotherKey(t *testing.T) {
	t.Parallel()
	l := empty(t)
	l.offer(2)
	key, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	l.o.Key = key
	if f := l.look(); !strings.Contains(strings.Join(f.Refused, "\n"), "the password of group main") {
		t.Errorf("refused for %q", f.Refused)
	}
}

// TestGivenSpec: the operator's spec is written, with the sealed password that is in
// use, where it says what the goals do; else each difference is named.
func TestGivenSpec(t *testing.T) {
	t.Parallel()
	l := empty(t)
	l.offer(3)
	told := l.look().Spec.Spec
	given := told
	given.Groups = slices.Clone(told.Groups)
	given.Groups[0].Prefer, given.Groups[0].Password = node(1), fleet.PasswordSpec{File: "password.txt"}
	l.o.Spec = &given
	f := l.look()
	if len(f.Refused) > 0 || f.Spec.Spec.Groups[0].Prefer != node(1) || f.Spec.Passwords["main"] != f.Plan.Secrets[0].Sealed {
		t.Errorf("refused %q, spec %+v", f.Refused, f.Spec)
	}
	given.Groups[0].Port = 7000
	given.Groups = append(given.Groups, fleet.GroupSpec{Name: "more", Topology: fleet.Replication, Nodes: []string{node(0)}, Port: 7001})
	f = l.look()
	if d := cmp.Diff([]string{
		"the spec that is given does not say what the agents' goals do: group main: port is 6379, not 7000",
		"the spec that is given does not say what the agents' goals do: group more is in no goal: apply it once the fleet is back, unless all of its nodes are missing",
	}, f.Refused); d != "" {
		t.Error(d)
	}
}

// TestOfferThatCannotBeRead: it must not count as missing.
func TestOfferThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := empty(t)
	l.offer(2)
	if _, err := l.o.Client.Txn(t.Context(), consul.Set(l.keys.Recovery(node(1)), []byte("{half"))); err != nil {
		t.Fatal(err)
	}
	l.o.Without = []string{node(1)}
	if f := l.look(); !strings.Contains(strings.Join(f.Refused, "\n"), l.keys.Recovery(node(1))+": the record cannot be read") {
		t.Errorf("refused for %q", f.Refused)
	}
}
