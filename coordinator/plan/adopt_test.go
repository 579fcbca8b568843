package plan

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestAdoptionIsNoElection: a group that is marked to be adopted is never elected, also
// while it is not as it was shown; what waits for it changes nothing.
func TestAdoptionIsNoElection(t *testing.T) {
	w := fleet.World{
		Spec: &fleet.SpecRecord{
			Spec:  fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{{Name: "main", Nodes: []string{"n1"}}}},
			Adopt: map[string]fleet.Adoption{"main": {Instances: []fleet.AdoptedInstance{{Node: "n1", Kind: fleet.KindRedis}}}},
		},
		Control: &fleet.Control{FleetID: "f"},
		Reports: map[string]fleet.ReportRecord{"n1": {Alive: true, Report: fleet.Report{Node: "n1", Address: "192.0.2.1",
			Engines: []fleet.EngineReport{{Name: "redis", Version: "7.0.15"}}}}},
	}
	mint := func() string { return "id" }
	if p := Next(w, mint); len(p.Create)+len(p.Goals) > 0 {
		t.Errorf("a group that is not as it was shown: %+v", p)
	}
	w.Spec.Adopt = nil
	if p := Next(w, mint); len(p.Create) != 1 {
		t.Errorf("without the mark it is elected as ever: %+v", p)
	}
}

// TestAdoptedGoals: the goals of an adopted group say where each instance runs and keep
// the sentinels' own ids; they carry no seed.
func TestAdoptedGoals(t *testing.T) {
	marks := &fleet.Adoption{Instances: []fleet.AdoptedInstance{
		{Node: "n1", Kind: fleet.KindRedis, From: fleet.Origin{Unit: "redis-server.service", Dir: "/var/lib/redis"}},
		{Node: "n1", Kind: fleet.KindSentinel, MyID: "own", From: fleet.Origin{Unit: "redis-sentinel.service"}},
	}}
	w := fleet.World{Reports: map[string]fleet.ReportRecord{"n1": {Report: fleet.Report{Node: "n1", Address: "192.0.2.1"}},
		"n2": {Report: fleet.Report{Node: "n2", Address: "192.0.2.2"}}}}
	spec := fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{{Name: "main", Nodes: []string{"n1", "n2"},
		Sentinel: fleet.SentinelSpec{Open: true}}}}.WithDefaults()
	goals := map[string]*fleet.Goal{}
	if !addGroup(goals, w, spec.Groups[0], fleet.Group{ID: "g", Name: "main", Phase: fleet.PhaseServing, Adopted: marks}) {
		t.Fatal("no goals")
	}
	server, sentinel, other := goals["n1"].Instances[0], goals["n1"].Instances[1], goals["n2"].Instances[0]
	if server.Adopted == nil || server.Adopted.Unit != "redis-server.service" || sentinel.Adopted == nil || other.Adopted != nil {
		t.Errorf("adopted: %+v, %+v, %+v", server.Adopted, sentinel.Adopted, other.Adopted)
	}
	if m, _ := server.SentinelOn("n1"); m.ID != "own" || server.Seed != nil || !server.Monitor.Open {
		t.Errorf("sentinel %+v, seed %+v, monitor %+v", m, server.Seed, server.Monitor)
	}
	if m, _ := server.SentinelOn("n2"); m.ID != SentinelID("g", "n2") {
		t.Errorf("the id of a sentinel that was not adopted: %+v", m)
	}
}
