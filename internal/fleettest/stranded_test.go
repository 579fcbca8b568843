package fleettest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// strandedLabels are the effects that only a replica has that no sentinel knows.
func strandedLabels() []effect.Label { return []effect.Label{apply.LabelStranded} }

// TestStrandedUnderCuts: a replica follows another replica, and no sentinel knows of
// it, so that none will ever put that right. Its agent does, whatever is cut
// meanwhile: it is a replica of the master again, in every sentinel's list, and nothing
// else was restarted (hazard S1, promise resumable).
func TestStrandedUnderCuts(t *testing.T) {
	t.Parallel()
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	f.LeaseTTL = cutTTL
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, func(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(cutDownAfter) })})
	s := newStory(f, strandedLabels())
	s.strandedFor = 300 * time.Millisecond
	s.coordinator(1)
	for i := range 3 {
		s.agent(i + 1)
	}
	master := index(t, f.WaitServing(servingIn).Master.Node)
	lost, other := master%3+1, (master+1)%3+1
	if err := f.Redis(master).Set(t.Context(), "kept", "value"); err != nil {
		t.Fatal(err)
	}
	before := pids(t, f, 3)
	s.strand(t, lost, other, master)
	knows := func(i int) bool {
		list, err := f.Sentinel(i).Replicas(t.Context(), "main")
		return err == nil && slices.ContainsFunc(list, func(r redis.Instance) bool { return r.Addr.Host == f.Host(lost) })
	}
	s.until(t, servingIn, "the replica follows the master, and all sentinels know it", func() bool {
		info, err := f.Redis(lost).Observe(t.Context())
		return err == nil && info.LinkUp && info.Master.Host == f.Host(master) && knows(1) && knows(2) && knows(3)
	})
	f.WaitServing(servingIn)
	for _, c := range s.cuts {
		if !c.taken.Load() {
			t.Errorf("%q was never cut at the point %s", c.label, c.at)
		}
	}
	if got, _, err := f.Redis(lost).Get(t.Context(), "kept"); got != "value" || err != nil {
		t.Errorf("the replica says %q, %v", got, err)
	}
	one := fmt.Sprintf("n%d/%s", lost, fleet.NewInstanceID(fleet.KindRedis, "main", 6379))
	for who, pid := range pids(t, f, 3) {
		if restarted := before[who] != pid; restarted != (who == one) {
			t.Errorf("%s was %s and is %s", who, before[who], pid)
		}
	}
}

// strand has a replica follow another one, and every sentinel forget it.
func (s *story) strand(t *testing.T, lost, other, master int) {
	t.Helper()
	if err := s.f.Redis(lost).ReplicaOf(t.Context(), fleet.Addr{Host: s.f.Host(other), Port: 6379}); err != nil {
		t.Fatal(err)
	}
	s.until(t, servingIn, "the master does not list the replica any more", func() bool {
		info, err := s.f.Redis(master).Observe(t.Context())
		return err == nil && len(info.Replicas) == 1
	})
	for i := range 3 {
		cli(t, s.f, i+1, sentinelPort, "SENTINEL DEBUG info-period 100")
		if err := s.f.Sentinel(i+1).Reset(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
	}
}
