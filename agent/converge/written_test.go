package converge

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestWrittenWhileForming: once clients wrote to a fresh group that still forms, an empty
// instance may have lost what it had. As the elected master it waits until the others
// say what they hold, as a replica it cannot be promoted before it has caught up, and
// one that returns with its data was left behind (no-empty-master, S19; simulation,
// seeds 872, 1152 and 5309).
func TestWrittenWhileForming(t *testing.T) {
	master, other := addr("n2", 6379), addr("n3", 6379)
	data := Disk{Dataset: fleet.Dataset{Present: true}, Follows: master}
	holds := []fence.ServerView{{Addr: master, Answered: true, Role: fleet.RoleMaster, Keys: 3}}
	silent := []fence.ServerView{{Addr: master}, {Addr: other}}
	for name, tc := range map[string]struct {
		elected  string
		written  bool
		in       Instance
		held     string // by which rule; empty: it starts
		follow   fleet.Addr
		priority int
	}{
		"elected, its disk is new, nobody answers": {"n1", true, Instance{Servers: silent}, "no-empty-master", fleet.Addr{}, 0},
		"the same, and nobody wrote":               {"n1", false, Instance{Servers: silent}, "", fleet.Addr{}, 100},
		"elected, its disk is new, and all the others are empty": {"n1", true, Instance{Servers: []fence.ServerView{{Addr: master, Answered: true}, {Addr: other, Answered: true}}},
			"", fleet.Addr{}, 100},
		"elected, its disk is new, another was promoted":                                 {"n1", true, Instance{Servers: holds, Sentinels: votes("n2")}, "", master, 0},
		"elected, started before, and its data is gone":                                  {"n1", true, Instance{Servers: silent, Memory: Memory{Started: true}}, "no-empty-master", fleet.Addr{}, 0},
		"elected, started, not seen since, and empty; its goal is older than the writes": {"n1", false, Instance{Servers: silent, Memory: Memory{Started: true}}, "no-empty-master", fleet.Addr{}, 0},
		"the same, and all the others are empty": {"n1", false, Instance{Servers: []fence.ServerView{{Addr: master, Answered: true}, {Addr: other, Answered: true}}, Memory: Memory{Started: true}},
			"", fleet.Addr{}, 100},
		"elected, and empty when it was last seen": {"n1", false, Instance{Servers: silent, Memory: Memory{Started: true, ReplID: "a"}}, "no-majority", fleet.Addr{}, 0},
		"a replica, its disk is new":               {"n2", true, Instance{Servers: silent}, "", master, 0},
		"the same, and nobody wrote to it":         {"n2", false, Instance{Servers: silent}, "", master, 100},
		"a replica that ran and is empty":          {"n2", true, Instance{Servers: silent, Memory: Memory{Started: true}, Disk: Disk{Follows: master}}, "", master, 0},
		"the same, and nobody wrote to the group":  {"n2", false, Instance{Servers: silent, Memory: Memory{Started: true}, Disk: Disk{Follows: master}}, "", master, 100},
		"a replica that held data when it ran":     {"n2", false, Instance{Servers: silent, Memory: Memory{Started: true, HadData: true}, Disk: Disk{Follows: master}}, "", master, 0},
		"a replica returns beside its master":      {"n2", true, Instance{Servers: holds, Memory: Memory{Started: true, HadData: true}, Disk: data}, "", master, 0},
		"a replica returns beside nobody":          {"n2", true, Instance{Servers: silent, Memory: Memory{Started: true, HadData: true}, Disk: data}, "", master, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, seeded(tc.elected, true))
			g.Instances[0].Seed.Written = tc.written
			tc.in.Identity = group
			if tc.in.Sentinels == nil {
				tc.in.Sentinels = make([]fence.SentinelView, 3)
			}
			id := g.Instances[0].ID
			out := Plan(g, Facts{Now: time.Unix(1000, 0), Instances: map[fleet.InstanceID]Instance{id: tc.in}})
			if tc.held != "" {
				if len(out.Steps) != 0 || out.Rules[id] != tc.held {
					t.Errorf("%+v %v, want it held by %s", out.Steps, out.Rules, tc.held)
				}
				return
			}
			if len(out.Steps) != 1 || out.Steps[0].Follow != tc.follow || out.Steps[0].Priority != tc.priority {
				t.Errorf("%+v %v, want a start behind %v at priority %d", out.Steps, out.Reasons, tc.follow, tc.priority)
			}
		})
	}
}
