package fleettest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/redis"
)

// replaceLabels are the effects that only a change of a group's members has.
func replaceLabels() []effect.Label {
	return []effect.Label{coordinator.LabelRequest, apply.LabelRetire, apply.LabelQuorum, apply.LabelForget}
}

// story is a run in which each of several cuts is made once; the daemon that it ends
// is started again, and the cuts that are left hold for it too.
type story struct {
	f       *Fleet
	cuts    []*cut
	victims chan *mortal
	// strandedFor is the agents' own of that name.
	strandedFor time.Duration
}

func newStory(f *Fleet, labels []effect.Label) *story {
	s := &story{f: f, victims: make(chan *mortal, 2*len(labels))}
	for _, l := range labels {
		s.cuts = append(s.cuts, newCut(l, effect.Before), newCut(l, effect.After))
	}
	return s
}

func (s *story) hook(m *mortal) effect.Hook {
	return func(_ context.Context, l effect.Label, at effect.Point) error {
		if m.dead.Load() {
			return errCut
		}
		for _, c := range s.cuts {
			if l == c.label && at == c.at && c.taken.CompareAndSwap(false, true) {
				m.die()
				s.victims <- m
				return errCut
			}
		}
		return nil
	}
}

func (s *story) agent(i int) *mortal {
	o := agent.Options{Config: s.f.AgentConfig(i), Log: s.f.Logger(fmt.Sprintf("agent n%d", i)), StrandedFor: s.strandedFor}
	m := &mortal{node: i, again: func() *mortal { return s.agent(i) }}
	return s.f.runMortal(m, fmt.Sprintf("agent-%d", i), func(ctx context.Context) error {
		o.Config.Consul.Address, o.Hook = m.line.Addr(), s.hook(m)
		return agent.Run(ctx, o)
	})
}

func (s *story) coordinator(i int) *mortal {
	o := coordinator.Options{Config: s.f.coordinatorConfig(i), Log: s.f.Logger(fmt.Sprintf("coordinator c%d", i)), ForgetGap: s.f.ForgetGap}
	m := &mortal{again: func() *mortal { return s.coordinator(i) }}
	return s.f.runMortal(m, fmt.Sprintf("coordinator-%d", i), func(ctx context.Context) error {
		o.Config.Consul.Address, o.Hook = m.line.Addr(), s.hook(m)
		return coordinator.Run(ctx, o)
	})
}

// until starts each daemon that was cut again, until ok.
func (s *story) until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	eventually(t, limit, what, func() bool {
		select {
		case m := <-s.victims:
			_ = m.daemon.Wait(t, 10*time.Second)
			m.again()
		default:
		}
		return ok()
	})
}

// putRecord writes a record.
func putRecord(t *testing.T, f *Fleet, key string, record any) {
	t.Helper()
	b, err := records.Encode(record)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client.Txn(t.Context(), consul.Set(key, b)); err != nil {
		t.Fatal(err)
	}
}

// replace asks for another node in the place of one, as `redfleet node remove` does.
func replace(t *testing.T, f *Fleet, node, with string) string {
	t.Helper()
	w, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := request.Replace(w, node, with)
	if len(p.Refused) > 0 {
		t.Fatalf("refused: %q", p.Refused)
	}
	r := request.Made(ulid.Make().String(), "test", time.Now(), p)
	putRecord(t, f, f.Keys.Spec(), request.NewSpec(*w.Spec, p))
	putRecord(t, f, f.Keys.Request(r.ID), r)
	return r.ID
}

// resets counts how often a node's sentinel was told to forget.
func resets(t *testing.T, f *Fleet, i int) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder(f, i, fleet.KindSentinel), "sentinel.log"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("+reset-master master main"))
}

// TestReplaceUnderCuts: another node takes the place of a replica's node. Whatever is
// cut meanwhile, and started again, the outcome is the same: verified, no ghost left,
// nothing of the others restarted, the data on the newcomer, the files of the one that
// left kept and its processes down (promises resumable and data-wins, hazards S4, S5).
func TestReplaceUnderCuts(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	f.LeaseTTL, f.ForgetGap = cutTTL, 200*time.Millisecond
	// Who left has to count as down before it is forgotten; the master must not meanwhile.
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, func(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(3 * time.Second) })})
	s := newStory(f, replaceLabels())
	s.coordinator(1)
	for i := range 4 {
		s.agent(i + 1)
	}
	leaving := index(t, f.WaitServing(servingIn).Master.Node)%3 + 1
	for i := range 3 {
		cli(t, f, i+1, sentinelPort, "SENTINEL DEBUG info-period 200") // else a sentinel may need 10 s to learn its replicas again
	}
	if err := f.Redis(index(t, f.WaitServing(servingIn).Master.Node)).Set(t.Context(), "kept", "value"); err != nil {
		t.Fatal(err)
	}
	before := pids(t, f, 3)
	left := fmt.Sprintf("n%d", leaving)
	id := replace(t, f, left, "n4")
	var quick *redis.SentinelClient
	quickened := false
	s.until(t, 2*servingIn, "the request is done", func() bool {
		w, err := f.World(t.Context())
		if err == nil && w.Requests[id].Phase == fleet.RequestDone {
			return true
		}
		if quick == nil { // the newcomer's sentinel too, once it is there
			quick = f.Sentinel(4)
		}
		if quick.Ping(t.Context()) == nil && !quickened {
			cli(t, f, 4, sentinelPort, "SENTINEL DEBUG info-period 200")
			quickened = true
		}
		return false
	})
	a := f.WaitServing(servingIn)
	checkReplaced(t, f, a, leaving)
	for _, c := range s.cuts {
		if !c.taken.Load() {
			t.Errorf("%q was never cut at the point %s", c.label, c.at)
		}
	}
	now := pids(t, f, 3)
	for who, pid := range before {
		if !strings.HasPrefix(who, left+"/") && now[who] != pid {
			t.Errorf("%s was restarted: %s, was %s", who, now[who], pid)
		}
	}
}

// checkReplaced: what must be true after n4 took the place of a node.
func checkReplaced(t *testing.T, f *Fleet, a fleet.Assessment, leaving int) {
	t.Helper()
	left := fmt.Sprintf("n%d", leaving)
	if !slices.ContainsFunc(a.Replicas, func(r fleet.ReplicaStatus) bool { return r.Node == "n4" && r.Link == "up" }) {
		t.Errorf("n4 is no replica: %+v", a.Replicas)
	}
	if got, found, err := f.Redis(4).Get(t.Context(), "kept"); got != "value" || err != nil {
		t.Errorf("the newcomer says %q, %v, %v", got, found, err)
	}
	for _, kind := range []fleet.Kind{fleet.KindRedis, fleet.KindSentinel} {
		if _, err := os.Stat(filepath.Join(folder(f, leaving, kind), "identity")); err != nil {
			t.Errorf("a folder of %s is not kept: %v", left, err)
		}
	}
	w, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := w.Reports[left].Report
	for _, inst := range rec.Instances {
		if inst.State != fleet.Held || !inst.Retired || inst.Unit.PID != 0 {
			t.Errorf("%s on %s: %+v", inst.ID, left, inst)
		}
	}
	tokens := w.Groups["main"].Members.Forgets
	told := 0
	for i := 1; i <= 3; i++ {
		if i == leaving {
			continue
		}
		n := resets(t, f, i)
		if told += n; n == 0 {
			t.Errorf("the sentinel on n%d never forgot", i)
		}
	}
	if _, err := fenceOn(t, f, leaving, 0); true {
		heldBy(t, err, "retired") // whoever starts the unit
	}
	if told > tokens {
		t.Errorf("%d resets for %d tokens", told, tokens)
	}
	t.Logf("%d resets, %d tokens", told, tokens)
}
