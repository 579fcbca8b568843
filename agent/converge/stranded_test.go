package converge

import (
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// chained is n1, a replica of n2, in a group whose sentinels name n3 and do not know
// of n1.
func chained() Instance {
	return Instance{
		Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActive}, Memory: Memory{Started: true, HadData: true},
		Redis:     &Redis{Role: fleet.RoleReplica, LinkUp: true, Master: addr("n2", 6379)},
		Sentinels: votes("n3"),
		Servers: []fence.ServerView{
			{Addr: addr("n2", 6379), Answered: true, Role: fleet.RoleReplica, Keys: 7},
			{Addr: addr("n3", 6379), Answered: true, Role: fleet.RoleMaster, Keys: 7},
		},
	}
}

// TestStranded: only a replica that nobody else will ever put right is stranded, and
// none that may have the only copy (hazards S1 and D2, promise data-wins).
func TestStranded(t *testing.T) {
	self := addr("n1", 6379)
	for name, tc := range map[string]struct {
		edit func(*Instance)
		want bool
	}{
		"it follows a replica":                        {func(*Instance) {}, true},
		"its link is down":                            {func(in *Instance) { in.Redis.LinkUp = false }, true},
		"one sentinel does not answer":                {func(in *Instance) { in.Sentinels[0] = fence.SentinelView{Node: "n1"} }, true},
		"one sentinel names another":                  {func(in *Instance) { in.Sentinels[0].Names = addr("n2", 6379) }, true},
		"nobody holds data":                           {func(in *Instance) { in.Servers[1].Keys, in.Memory.HadData = 0, false }, true},
		"two sentinels do not answer":                 {func(in *Instance) { in.Sentinels[0].Answered, in.Sentinels[1].Answered = false, false }, false},
		"two sentinels name another":                  {func(in *Instance) { in.Sentinels[0].Names, in.Sentinels[1].Names = addr("n2", 6379), addr("n2", 6379) }, false},
		"a sentinel lists it":                         {func(in *Instance) { in.Sentinels[2].Replicas = []fleet.Addr{addr("n2", 6379), self} }, false},
		"a sentinel lists others":                     {func(in *Instance) { in.Sentinels[2].Replicas = []fleet.Addr{addr("n2", 6379)} }, true},
		"a sentinel is in TILT":                       {func(in *Instance) { in.Sentinels[1].Tilt = true }, false},
		"a sentinel fails over":                       {func(in *Instance) { in.Sentinels[1].Flags = "master,failover_in_progress" }, false},
		"one that did not answer says nothing":        {func(in *Instance) { in.Sentinels[1] = fence.SentinelView{Tilt: true, Replicas: []fleet.Addr{self}} }, true},
		"it follows the master":                       {func(in *Instance) { in.Redis.Master = addr("n3", 6379) }, false},
		"the sentinels name itself":                   {func(in *Instance) { in.Sentinels = votes("n1") }, false},
		"the master does not answer":                  {func(in *Instance) { in.Servers[1].Answered = false }, false},
		"who is named is no master":                   {func(in *Instance) { in.Servers[1].Role = fleet.RoleReplica }, false},
		"the master loads":                            {func(in *Instance) { in.Servers[1].Loading = true }, false},
		"the master is empty, and the replica is not": {func(in *Instance) { in.Servers[1].Keys = 0 }, false},
		"it cannot write its data":                    {func(in *Instance) { in.Redis.DiskError = true }, false},
		"a master that answers and that nobody names": {func(in *Instance) { in.Sentinels = votes("n9") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			goal, in := goal(fleet.KindRedis, nil), chained()
			tc.edit(&in)
			if got := Stranded(&goal.Instances[0], in); got != tc.want {
				t.Errorf("stranded: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestReplicates: who is asked whether it is stranded.
func TestReplicates(t *testing.T) {
	replica := func(edit func(*Redis)) *Redis {
		r := &Redis{Role: fleet.RoleReplica}
		if edit != nil {
			edit(r)
		}
		return r
	}
	for name, tc := range map[string]struct {
		goal func(*fleet.InstanceGoal)
		r    *Redis
		want bool
	}{
		"a replica":                {nil, replica(nil), true},
		"a master":                 {nil, replica(func(r *Redis) { r.Role = fleet.RoleMaster }), false},
		"one that loads":           {nil, replica(func(r *Redis) { r.Loading = true }), false},
		"while the group forms":    {seeded("n2", true), replica(nil), false},
		"without Sentinel":         {func(g *fleet.InstanceGoal) { g.Monitor = nil }, replica(nil), false},
		"one that is to stay down": {func(g *fleet.InstanceGoal) { g.Assigned = fleet.Held }, replica(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			goal := goal(fleet.KindRedis, tc.goal)
			if got := Replicates(&goal.Instances[0], tc.r); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestEndStranded: it is ended where that was seen for long, and only then.
func TestEndStranded(t *testing.T) {
	for _, stranded := range []bool{true, false} {
		goal, in := goal(fleet.KindRedis, nil), chained()
		in.Redis.Stranded = stranded
		id := goal.Instances[0].ID
		steps := Plan(goal, Facts{Now: time.Unix(1000, 0), Instances: map[fleet.InstanceID]Instance{id: in}}).Steps
		i := slices.IndexFunc(steps, func(s Step) bool { return s.Kind == EndStranded })
		if (i >= 0) != stranded || i >= 0 && (steps[i].Instance != id || steps[i].Reason == "") {
			t.Errorf("stranded %v: steps %+v", stranded, steps)
		}
	}
}
