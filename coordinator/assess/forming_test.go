package assess_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// inPhase is a healthy world whose group is still being brought up.
func inPhase(phase fleet.Phase) fleet.World {
	w := at.Healthy(fleet.Sentinel, 3)
	w.Services = nil
	at.EditGroup(w, func(g *fleet.Group) { g.Phase, g.WriteProved, g.Probe = phase, false, at.Probe })
	for node := range w.Reports {
		r := at.Redis(w, node).Redis
		r.ProbeSeen, r.WriteRefused = at.Probe, r.Role == fleet.RoleReplica
	}
	return w
}

// lostRecords is a serving fleet whose Consul was emptied and got its spec again.
func lostRecords() fleet.World {
	w := at.Healthy(fleet.Sentinel, 3)
	w.Control, w.Groups, w.Goals = nil, nil, nil
	return w
}

func TestBringUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		world fleet.World
		do    func(w fleet.World)
		state fleet.GroupState
		says  string
	}{
		{"a node never reported", at.Fresh(fleet.Sentinel, 3), func(w fleet.World) { delete(w.Reports, "n2") },
			fleet.GroupForming, "2 of 3 nodes of main are in: missing: n2 (no agent has reported)"},
		{"an agent is gone", at.Fresh(fleet.Sentinel, 3), func(w fleet.World) { agentGone(w, "n3") },
			fleet.GroupForming, "n3 (its agent is gone)"},
		{"an engine is missing", at.Fresh(fleet.Sentinel, 3), func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.Engines[0].Problem = "redis-server is not installed" })
		}, fleet.GroupForming, "n3 (redis-server is not installed)"},
		{"all in", at.Fresh(fleet.Sentinel, 3), func(fleet.World) {},
			fleet.GroupElecting, "n1 is due to become the initial master"},
		{"two lineages", at.Fresh(fleet.Sentinel, 3), func(w fleet.World) {
			for i, n := range []string{"n1", "n2"} {
				data := fleet.Dataset{Present: true, ReplID: strings.Repeat(string(rune('a'+i)), 40)}
				at.Edit(w, n, func(r *fleet.ReportRecord) {
					r.Report.Instances = []fleet.InstanceReport{{ID: at.ServerID(), Group: at.Group, Kind: fleet.KindRedis, Dataset: &data}}
				})
			}
		}, fleet.GroupElecting, "`redfleet apply --initial-master main=n1`"},
		{"the record cannot be read", at.Fresh(fleet.Sentinel, 3), func(w fleet.World) {
			w.Problems["redfleet/shop/group/main"] = "invalid character"
		}, fleet.GroupDown, "redfleet/shop/group/main cannot be read (invalid character)"},
		{"starting", inPhase(fleet.PhaseStarting), func(w fleet.World) { at.Redis(w, "n2").State = fleet.Prepared },
			fleet.GroupStarting, "waiting for redis-main-6379 on n2."},
		{"started", inPhase(fleet.PhaseStarting), func(w fleet.World) { at.Redis(w, "n2").Redis.Link = "down" },
			fleet.GroupVerifying, "n2's link to n1 is down"},
		{"verifying", inPhase(fleet.PhaseVerifying), func(w fleet.World) {
			at.SentinelOn(w, "n1").Sentinel.Peers[0].Reached = false
			at.Redis(w, "n3").Redis.ProbeSeen = ""
		}, fleet.GroupVerifying, "the probe is not seen on n3 (also failing: sentinel-reach)."},
		{"no write refused", inPhase(fleet.PhaseVerifying), func(w fleet.World) { at.Redis(w, "n3").Redis.WriteRefused = false },
			fleet.GroupVerifying, "no write was refused on n3"},
		{"verified", inPhase(fleet.PhaseVerifying), func(fleet.World) {}, fleet.GroupVerifying, "every check holds"},
		{"Consul emptied after serving", lostRecords(), func(fleet.World) {},
			fleet.GroupDegraded, "Consul was emptied or rebuilt; nothing is changed on the nodes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.do(c.world)
			a := assess.Group(c.world, at.Group)
			if a.State != c.state || !strings.Contains(a.Reason, c.says) {
				t.Errorf("%s: %s\nwant %s: … %s …", a.State, a.Reason, c.state, c.says)
			}
			if want := c.name == "verified"; assess.Verified(a) != want {
				t.Errorf("verified is %v, want %v (%v)", !want, want, failed(a))
			}
		})
	}
}

// TestLostGroupRecord: Consul still knows the fleet and not the group, while the
// nodes carry its identity.
func TestLostGroupRecord(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	w.Groups = nil
	a := assess.Group(w, at.Group)
	if a.State != fleet.GroupDegraded || a.Master == nil || !strings.Contains(a.Reason, "never formed anew") {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
	w.Control.FleetID = "rebuilt"
	a = assess.Group(w, at.Group)
	if a.State != fleet.GroupDegraded || !strings.Contains(a.Reason, "two fleets share these records") {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
}

func TestVerifiedWhileFormingLeavesTheCatalogAside(t *testing.T) {
	t.Parallel()
	w := inPhase(fleet.PhaseVerifying)
	w.Services = []fleet.ServiceEntry{}
	if a := assess.Group(w, at.Group); !assess.Verified(a) {
		t.Errorf("not verified: %v", failed(a))
	}
	if assess.Verified(fleet.Assessment{}) {
		t.Error("an assessment without checks counts as verified")
	}
}

func TestGroupsThatTheSpecDoesNotName(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	w.Spec = nil
	all := assess.Fleet(w)
	if len(all) != 1 {
		t.Fatalf("%d assessments, want 1", len(all))
	}
	a := all[0]
	want := "Consul holds no spec for group main, but Consul holds its record, and 3 agents report it (n1, n2 and n3); " +
		"nothing is changed on the nodes; apply the spec again."
	if a.State != fleet.GroupDegraded || a.Reason != want || a.Master == nil || a.Master.Node != "n1" {
		t.Errorf("%s: %s, master %v", a.State, a.Reason, a.Master)
	}
	if diff := cmp.Diff([]string{assess.CheckReports}, failed(a)); diff != "" {
		t.Error(diff)
	}
	w.Groups, w.Control = nil, nil
	a = assess.Fleet(w)[0]
	want = "Consul holds no spec for group main, but 3 agents report it (n1, n2 and n3); " +
		"nothing is changed on the nodes; restore Consul's data, or have it rebuilt from what the agents keep: redfleet recover."
	if a.Reason != want || assess.Verified(a) {
		t.Errorf("reason is %s", a.Reason)
	}
	agentGone(w, "n1", "n2", "n3")
	if a = assess.Fleet(w)[0]; a.State != fleet.GroupDown || a.Master != nil {
		t.Errorf("%s with master %v, and no agent is there", a.State, a.Master)
	}
}

func TestFleetNamesSpecGroupsFirst(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	w.Groups["aside"] = fleet.Group{Name: "aside"}
	var names []string
	for _, a := range assess.Fleet(w) {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{"main", "aside"}, names); diff != "" {
		t.Error(diff)
	}
}
