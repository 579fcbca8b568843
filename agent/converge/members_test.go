package converge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestMembers: what a change of the group's members asks of an instance, and what it
// does not.
func TestMembers(t *testing.T) {
	held := func(g *fleet.InstanceGoal) { g.Assigned = fleet.Held }
	changed := func(g *fleet.InstanceGoal) { g.Change = 2 }
	told := func(g *fleet.InstanceGoal) { g.Forget = "r-1" }
	active := fleet.UnitStatus{State: fleet.UnitActive, PID: 7}
	down := fleet.UnitStatus{State: fleet.UnitInactive}
	ran := Memory{Started: true}
	redis := &Redis{Role: fleet.RoleReplica, LinkUp: true}
	sentinel := &Sentinel{Reached: map[string]bool{"id-n2": true}, Master: addr("n2", 6379)}
	cases := map[string]struct {
		goal    fleet.Goal
		in      Instance
		steps   []Kind
		retired bool
	}{
		"it runs: retire":           {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: active, Memory: ran, Redis: redis}, []Kind{Retire}, false},
		"a sentinel runs: retire":   {goal(fleet.KindSentinel, held), Instance{Identity: group, Unit: active, Memory: ran, Sentinel: sentinel}, []Kind{Retire}, false},
		"it does not answer":        {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: active, Memory: ran}, []Kind{Retire}, false},
		"systemd is starting it":    {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActivating}, Memory: Memory{Started: true, Retired: true}}, []Kind{Retire}, false},
		"down, and may start again": {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: down, Memory: ran}, []Kind{Retire}, false},
		"down for good":             {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: down, Memory: Memory{Started: true, Retired: true}}, nil, true},
		"it never ran":              {goal(fleet.KindRedis, held), Instance{Identity: group, Unit: down}, nil, true},
		"a sentinel that never ran": {goal(fleet.KindSentinel, func(g *fleet.InstanceGoal) { held(g); changed(g) }), Instance{Identity: group, Unit: down}, nil, true},
		"nothing is there":          {goal(fleet.KindRedis, held), Instance{Unit: down}, nil, true},
		"another group's folder":    {goal(fleet.KindRedis, held), Instance{Identity: "ffff", Unit: active, Memory: ran, Redis: redis}, nil, false},
		"what cannot be read":       {goal(fleet.KindRedis, held), Instance{Problem: "damaged", Unit: down}, nil, false},
		"it is a member again": {goal(fleet.KindSentinel, nil), Instance{Identity: group, Unit: down, Memory: Memory{Started: true, Retired: true}},
			[]Kind{StartSentinel}, false},
		"the members changed":   {goal(fleet.KindSentinel, changed), Instance{Identity: group, Unit: active, Memory: ran, Sentinel: sentinel}, []Kind{SetQuorum}, false},
		"the quorum is set":     {goal(fleet.KindSentinel, changed), Instance{Identity: group, Unit: active, Memory: Memory{Started: true, Change: 2}, Sentinel: sentinel}, nil, false},
		"a server has no part":  {goal(fleet.KindRedis, changed), Instance{Identity: group, Unit: active, Memory: ran, Redis: redis}, nil, false},
		"a token":               {goal(fleet.KindSentinel, told), Instance{Identity: group, Unit: active, Memory: ran, Sentinel: sentinel}, []Kind{Forget}, false},
		"a token that was used": {goal(fleet.KindSentinel, told), Instance{Identity: group, Unit: active, Memory: Memory{Started: true, Forgot: "r-1"}, Sentinel: sentinel}, nil, false},
		"the next token":        {goal(fleet.KindSentinel, told), Instance{Identity: group, Unit: active, Memory: Memory{Started: true, Forgot: "r-0"}, Sentinel: sentinel}, []Kind{Forget}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := &tc.goal.Instances[0]
			out := Plan(tc.goal, Facts{Now: time.Unix(1000, 0), Instances: map[fleet.InstanceID]Instance{g.ID: tc.in}})
			var kinds []Kind
			for _, s := range out.Steps {
				kinds = append(kinds, s.Kind)
			}
			if d := cmp.Diff(tc.steps, kinds); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
			if got := Retired(g, tc.in); got != tc.retired {
				t.Errorf("retired: %v, want %v", got, tc.retired)
			}
			for _, s := range out.Steps {
				if s.Kind == Forget && (len(s.Peers) != 1 || s.Peers[0].Node != "n2" || s.Master != addr("n2", 6379)) {
					t.Errorf("whom it is to know again: %+v of %s", s.Peers, s.Master)
				}
			}
		})
	}
}
