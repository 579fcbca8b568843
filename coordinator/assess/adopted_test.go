package assess_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// adoptedOn is a group of which the servers of these nodes were adopted.
func adoptedOn(nodes ...string) fleet.World {
	w := at.Healthy(fleet.Sentinel, 3)
	at.EditGroup(w, func(g *fleet.Group) {
		g.WriteProved, g.Probe, g.Adopted = false, "", &fleet.Adoption{}
		for _, n := range nodes {
			g.Adopted.Instances = append(g.Adopted.Instances, fleet.AdoptedInstance{
				Node: n, Kind: fleet.KindRedis, From: fleet.Origin{Unit: "redis-server.service"},
			})
		}
	})
	return w
}

// TestHowFarAnAdoptedGroupHasMoved: of what was adopted each instance is moved or
// waits; one that is not reported waits, and one that was never adopted does not count.
func TestHowFarAnAdoptedGroupHasMoved(t *testing.T) {
	t.Parallel()
	w := adoptedOn("n1", "n2", "n3")
	at.Redis(w, "n2").Moved = true
	at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.Instances = r.Report.Instances[1:] })
	at.SentinelOn(w, "n1").Moved = true // never adopted
	want := &fleet.AdoptedStatus{Of: 3, Moved: 1, Waiting: []fleet.AdoptedWaiting{
		{Node: "n1", ID: at.ServerID(), Unit: "redis-server.service"},
		{Node: "n3", ID: at.ServerID(), Unit: "redis-server.service"},
	}}
	if diff := cmp.Diff(want, assess.Fleet(w)[0].Adopted); diff != "" {
		t.Error(diff)
	}
	if got := assess.Fleet(at.Healthy(fleet.Sentinel, 3))[0].Adopted; got != nil {
		t.Errorf("a group that redfleet made: %+v", got)
	}
}

// TestWritePathOfAnAdoptedGroup: nothing is written into a group that serves; once a
// write was proved, that counts.
func TestWritePathOfAnAdoptedGroup(t *testing.T) {
	t.Parallel()
	w := adoptedOn("n1")
	if c := check(t, assess.Fleet(w)[0], assess.CheckWritePath); !c.OK || !strings.Contains(c.Seen, "served already") {
		t.Errorf("adopted: %+v", c)
	}
	at.EditGroup(w, func(g *fleet.Group) { g.WriteProved = true })
	if c := check(t, assess.Fleet(w)[0], assess.CheckWritePath); !c.OK || !strings.Contains(c.Seen, "proved when") {
		t.Errorf("adopted and proved: %+v", c)
	}
}

// TestAdoptionThatIsNotTakenUp says what keeps it from being.
func TestAdoptionThatIsNotTakenUp(t *testing.T) {
	t.Parallel()
	w := at.Fresh(fleet.Sentinel, 3)
	w.Spec.Adopt = map[string]fleet.Adoption{"main": {Instances: []fleet.AdoptedInstance{{Node: "n1", Kind: fleet.KindRedis}}}}
	a := assess.Fleet(w)[0]
	if a.State != fleet.GroupForming || !strings.Contains(a.Reason, "it is not adopted while it is not as it was shown: ") {
		t.Errorf("nothing runs: %s: %s", a.State, a.Reason)
	}
}
