package converge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

func addr(host string, port int) fleet.Addr { return fleet.Addr{Host: host, Port: port} }

const group = "0b7e"

// goal builds the goal of node n1 in a group of three.
func goal(kind fleet.Kind, edit func(*fleet.InstanceGoal)) fleet.Goal {
	g := fleet.InstanceGoal{
		Group: "main", GroupID: group, Kind: kind, Topology: fleet.Sentinel, Engine: "redis", Assigned: fleet.Running,
		Addr: addr("n1", 6379), Monitor: &fleet.Monitor{MasterName: "main", Quorum: 2, DownAfter: fleet.Duration(5 * time.Second)},
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		g.Servers = append(g.Servers, fleet.Member{Node: n, Addr: addr(n, 6379)})
		g.Sentinels = append(g.Sentinels, fleet.Member{Node: n, Addr: addr(n, 26379), ID: "id-" + n})
	}
	if kind == fleet.KindSentinel {
		g.Addr = addr("n1", 26379)
	}
	g.ID = fleet.NewInstanceID(kind, "main", g.Addr.Port)
	if edit != nil {
		edit(&g)
	}
	return fleet.Goal{Node: "n1", Instances: []fleet.InstanceGoal{g}}
}

func seeded(master string, fresh bool) func(*fleet.InstanceGoal) {
	return func(g *fleet.InstanceGoal) {
		g.Seed = &fleet.Seed{Master: addr(master, 6379), Fresh: fresh, Probe: "p1"}
	}
}

func votes(master string) []fence.SentinelView {
	var out []fence.SentinelView
	for _, n := range []string{"n1", "n2", "n3"} {
		out = append(out, fence.SentinelView{Node: n, Answered: true, Names: addr(master, 6379), Uptime: time.Hour})
	}
	return out
}

func TestPlan(t *testing.T) {
	now := time.Unix(1000, 0)
	up := fleet.UnitStatus{State: fleet.UnitActive}
	all := map[fleet.Addr]bool{}
	for _, n := range []string{"n1", "n2", "n3"} {
		all[addr(n, 6379)], all[addr(n, 26379)] = true, true
	}
	cases := map[string]struct {
		goal   fleet.Goal
		in     Instance
		steps  []Kind
		follow fleet.Addr
		reason string
	}{
		"nothing there: install":     {goal(fleet.KindRedis, seeded("n1", true)), Instance{}, []Kind{Install}, fleet.Addr{}, "nothing of the instance"},
		"elected master: start":      {goal(fleet.KindRedis, seeded("n1", true)), Instance{Identity: group}, []Kind{StartRedis}, fleet.Addr{}, "elected"},
		"replica waits for a master": {goal(fleet.KindRedis, seeded("n2", true)), Instance{Identity: group, DownSince: now}, nil, fleet.Addr{}, "listens"},
		"replica waits a second only": {goal(fleet.KindRedis, seeded("n2", true)), Instance{Identity: group, DownSince: now.Add(-time.Second)},
			[]Kind{StartRedis}, addr("n2", 6379), "elected"},
		"replica starts when the master listens": {goal(fleet.KindRedis, seeded("n2", true)), Instance{Identity: group, DownSince: now, Listening: all},
			[]Kind{StartRedis}, addr("n2", 6379), "elected"},
		"another group's folder is left alone": {goal(fleet.KindRedis, seeded("n1", true)), Instance{Identity: "ffff"}, nil, fleet.Addr{}, "belongs to group ffff"},
		"a used port is left alone":            {goal(fleet.KindRedis, seeded("n1", true)), Instance{Identity: group, PortOwner: "pid 7 (redis-server)"}, nil, fleet.Addr{}, "in use by pid 7"},
		"what systemd is starting is left to its fence": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActivating}, Memory: Memory{Started: true}, Sentinels: votes("n2"),
				Disk: Disk{Dataset: fleet.Dataset{Present: true}}}, nil, fleet.Addr{}, "systemd is starting it: "},
		"what the boot fence holds is told with the fence's own reason": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActivating}, Memory: Memory{Started: true, HadData: true},
				Disk: Disk{Dataset: fleet.Dataset{Present: true}}, Sentinels: make([]fence.SentinelView, 3)}, nil, fleet.Addr{}, "word of 2"},
		"untrusted facts come before another group's folder": {goal(fleet.KindRedis, nil), Instance{Problem: "damaged", Identity: "ffff"}, nil, fleet.Addr{}, "damaged"},
		"a used port is left alone by a sentinel too": {goal(fleet.KindSentinel, nil), Instance{Identity: group, PortOwner: "pid 7 (redis-sentinel)", Memory: Memory{Started: true}},
			nil, fleet.Addr{}, "in use by pid 7"},
		"a crashed sentinel of a forming group starts from its own file": {goal(fleet.KindSentinel, seeded("n1", true)),
			Instance{Identity: group, Memory: Memory{Started: true}, DownSince: now}, []Kind{StartSentinel}, fleet.Addr{}, "ran before"},
		"without sentinels a master returns": {goal(fleet.KindRedis, func(g *fleet.InstanceGoal) { g.Topology, g.Monitor, g.Sentinels = fleet.Replication, nil, nil }),
			Instance{Identity: group, Memory: Memory{Started: true, HadData: true}, Disk: Disk{Dataset: fleet.Dataset{Present: true}}}, []Kind{StartRedis}, fleet.Addr{}, "no failover"},
		"AOF comes on where the spec says so": {goal(fleet.KindRedis, func(g *fleet.InstanceGoal) { g.Config = fleet.Directives{"appendonly": {"yes"}} }),
			Instance{Identity: group, Unit: up, Disk: Disk{SnapshotOnly: true}, Redis: &Redis{Role: fleet.RoleMaster}}, []Kind{EnableAOF}, fleet.Addr{}, ""},
		"AOF stays off where the spec says so": {goal(fleet.KindRedis, func(g *fleet.InstanceGoal) { g.Config = fleet.Directives{"appendonly": {"no"}} }),
			Instance{Identity: group, Unit: up, Disk: Disk{SnapshotOnly: true}, Redis: &Redis{Role: fleet.RoleMaster}}, nil, fleet.Addr{}, ""},
		"untrusted facts change nothing": {goal(fleet.KindRedis, nil), Instance{Problem: "damaged"}, nil, fleet.Addr{}, "damaged"},
		"a process that does not answer is left alone": {goal(fleet.KindRedis, nil), Instance{Identity: group, Unit: up, Memory: Memory{Started: true}},
			nil, fleet.Addr{}, "does not answer"},
		"a loading server is left alone": {goal(fleet.KindRedis, nil), Instance{Identity: group, Unit: up, Redis: &Redis{Loading: true}}, nil, fleet.Addr{}, "does not answer"},
		"a crashed master returns as the sentinels say": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Memory: Memory{Started: true}, Sentinels: votes("n2"), Disk: Disk{Dataset: fleet.Dataset{Present: true}}},
			[]Kind{StartRedis}, addr("n2", 6379), "majority"},
		"a seed that comes back gives no role": {goal(fleet.KindRedis, seeded("n1", true)),
			Instance{Identity: group, Memory: Memory{Started: true, Served: true, HadData: true}, Disk: Disk{Dataset: fleet.Dataset{Present: true}},
				Sentinels: make([]fence.SentinelView, 3)}, nil, fleet.Addr{}, "word of 2"},
		"a master that ran while the group formed waits for a majority": {goal(fleet.KindRedis, seeded("n1", true)),
			Instance{Identity: group, Memory: Memory{Started: true, ReplID: "a"}, Sentinels: make([]fence.SentinelView, 3)}, nil, fleet.Addr{}, "on the word of a majority"},
		"one that was cut before it ran does not": {goal(fleet.KindRedis, seeded("n1", true)),
			Instance{Identity: group, Memory: Memory{Started: true}, Sentinels: make([]fence.SentinelView, 3)}, []Kind{StartRedis}, fleet.Addr{}, "forms with"},
		"a crashed sentinel starts at once": {goal(fleet.KindSentinel, nil), Instance{Identity: group, Memory: Memory{Started: true}}, []Kind{StartSentinel}, fleet.Addr{}, "ran before"},
		"a sentinel that lost its folder learns the master anew": {goal(fleet.KindSentinel, nil),
			Instance{Identity: group, Memory: Memory{Started: true}, Disk: Disk{NoRole: true}, Sentinels: votes("n3")}, []Kind{StartSentinel}, addr("n3", 6379), "majority"},
		"a late sentinel learns the master": {goal(fleet.KindSentinel, nil), Instance{Identity: group, Sentinels: votes("n3")}, []Kind{StartSentinel}, addr("n3", 6379), "majority"},
		"a late sentinel without answers waits": {goal(fleet.KindSentinel, nil), Instance{Identity: group, Sentinels: make([]fence.SentinelView, 3)},
			nil, fleet.Addr{}, "does not know whom to watch"},
		"a first sentinel waits for the servers": {goal(fleet.KindSentinel, seeded("n1", true)), Instance{Identity: group, DownSince: now}, nil, fleet.Addr{}, "listens"},
		"a first sentinel starts when they listen": {goal(fleet.KindSentinel, seeded("n1", true)), Instance{Identity: group, DownSince: now, Listening: all},
			[]Kind{StartSentinel}, addr("n1", 6379), "never started"},
		"a serving master is left alone": {goal(fleet.KindRedis, nil), Instance{Identity: group, Unit: up, Redis: &Redis{Role: fleet.RoleMaster, AOF: true}}, nil, fleet.Addr{}, ""},
		"rewrite is tried when due":      {goal(fleet.KindRedis, nil), Instance{Identity: group, Unit: up, Redis: &Redis{AOF: true, RewriteDue: true}}, []Kind{TryRewrite}, fleet.Addr{}, ""},
		"the forming master writes the probe": {goal(fleet.KindRedis, seeded("n1", true)), Instance{Identity: group, Unit: up, Redis: &Redis{Role: fleet.RoleMaster, AOF: true}},
			[]Kind{WriteProbe}, fleet.Addr{}, ""},
		"the forming replica tries a write": {goal(fleet.KindRedis, seeded("n2", true)),
			Instance{Identity: group, Unit: up, Redis: &Redis{Role: fleet.RoleReplica, LinkUp: true, AOF: true}}, []Kind{TryWrite}, fleet.Addr{}, ""},
		"the serving master clears the probe": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Redis: &Redis{Role: fleet.RoleMaster, AOF: true, ProbeSeen: "p1"}}, []Kind{ClearProbe}, fleet.Addr{}, ""},
		"a caught-up replica is made promotable": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Memory: Memory{RaisePriority: true}, Redis: &Redis{Role: fleet.RoleReplica, LinkUp: true, CaughtUp: true, AOF: true}}, []Kind{RaisePriority}, fleet.Addr{}, ""},
		"a replica that syncs is not": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Memory: Memory{RaisePriority: true}, Redis: &Redis{Role: fleet.RoleReplica, AOF: true}}, nil, fleet.Addr{}, ""},
		"nor is one whose link is up and that is behind": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Memory: Memory{RaisePriority: true}, Redis: &Redis{Role: fleet.RoleReplica, LinkUp: true, AOF: true}}, nil, fleet.Addr{}, ""},
		"one that was made master has nothing to catch up with": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Memory: Memory{RaisePriority: true}, Redis: &Redis{Role: fleet.RoleMaster, AOF: true}}, []Kind{RaisePriority}, fleet.Addr{}, ""},
		"a master that lacks replicas writes no probe": {goal(fleet.KindRedis, seeded("n1", true)),
			Instance{Identity: group, Unit: up, Redis: &Redis{Role: fleet.RoleMaster, AOF: true, RefusesWrites: true}}, nil, fleet.Addr{}, ""},
		"AOF comes on after a start from a snapshot": {goal(fleet.KindRedis, nil),
			Instance{Identity: group, Unit: up, Disk: Disk{SnapshotOnly: true}, Redis: &Redis{Role: fleet.RoleMaster}}, []Kind{EnableAOF}, fleet.Addr{}, ""},
		"a forming sentinel is introduced to peers that listen": {goal(fleet.KindSentinel, seeded("n1", true)),
			Instance{Identity: group, Unit: up, Sentinel: &Sentinel{Peers: map[string]bool{"id-n2": true}}, Listening: all}, []Kind{Introduce}, fleet.Addr{}, ""},
		"a serving sentinel is left alone": {goal(fleet.KindSentinel, nil), Instance{Identity: group, Unit: up, Sentinel: &Sentinel{}, Listening: all}, nil, fleet.Addr{}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			id := tc.goal.Instances[0].ID
			out := Plan(tc.goal, Facts{Now: now, Instances: map[fleet.InstanceID]Instance{id: tc.in}})
			var kinds []Kind
			for _, s := range out.Steps {
				kinds = append(kinds, s.Kind)
				if s.Reason == "" || s.Instance != id {
					t.Errorf("step %+v lacks a reason or its instance", s)
				}
				if s.Follow != tc.follow {
					t.Errorf("%s follows %q, want %q", s.Kind, s.Follow, tc.follow)
				}
			}
			if d := cmp.Diff(tc.steps, kinds); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
			if got := out.Reasons[id]; !strings.Contains(got, tc.reason) || tc.reason == "" && got != "" {
				t.Errorf("reason %q, want %q in it", got, tc.reason)
			}
		})
	}
}

// TestPriorityOfANewReplica: an empty replica of a group with data must not be
// promotable before it has caught up (S19); in a fresh group it may be at once.
func TestPriorityOfANewReplica(t *testing.T) {
	in := Instance{Identity: group, Listening: map[fleet.Addr]bool{addr("n2", 6379): true}}
	for name, tc := range map[string]struct {
		fresh, present bool
		memory         Memory
		want           int
	}{
		"fresh group":                     {true, false, Memory{}, 100},
		"group with data, new":            {false, false, Memory{}, 0},
		"group with data, full":           {false, true, Memory{}, 100},
		"data in its folder beside data":  {false, true, Memory{Started: true, HadData: true, ReplID: "beside data"}, 100},
		"back with its data":              {false, true, Memory{Started: true, HadData: true}, 100},
		"back without its data":           {false, false, Memory{Started: true, HadData: true}, 0},
		"back before it caught up":        {false, true, Memory{Started: true, RaisePriority: true}, 0},
		"back, as empty as the group was": {false, false, Memory{Started: true}, 100},
		"back, empty beside data":         {false, false, Memory{Started: true, ReplID: "beside data"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in.Disk.Dataset.Present, in.Memory = tc.present, tc.memory
			if tc.memory.Started {
				in.Disk.Follows = addr("n2", 6379)
			}
			in.Servers = nil
			if tc.memory.ReplID != "" {
				in.Servers = []fence.ServerView{{Addr: addr("n2", 6379), Answered: true, Keys: 1}}
			}
			g := goal(fleet.KindRedis, seeded("n2", tc.fresh))
			out := Plan(g, Facts{Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
			if got := out.Steps[0].Priority; got != tc.want {
				t.Errorf("priority %d, want %d", got, tc.want)
			}
		})
	}
}

// TestPriorityOfAReturningReplica: one that the group went on without lacks what
// was written meanwhile and must not be promotable before it has that (S19); after
// a loss of power everywhere any of them may have to take over.
func TestPriorityOfAReturningReplica(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	master := addr("n2", 6379)
	ran := func(uptime time.Duration) (views []fence.SentinelView) {
		for range 3 {
			views = append(views, fence.SentinelView{Answered: true, Names: master, Uptime: uptime})
		}
		return views
	}
	heard := func(views []fence.SentinelView, self, master time.Duration) []fence.SentinelView {
		views[0].SelfSilence, views[0].Silence = self, master
		return views
	}
	for name, tc := range map[string]struct {
		sentinels []fence.SentinelView
		master    fence.ServerView
		empty     bool
		want      int
	}{
		"its master answers":                          {ran(time.Second), fence.ServerView{Addr: master, Answered: true, Keys: 1}, false, 0},
		"its master loads":                            {ran(time.Second), fence.ServerView{Addr: master, Answered: true, Loading: true}, false, 0},
		"its master is as empty":                      {ran(time.Second), fence.ServerView{Addr: master, Answered: true}, true, 100},
		"the sentinels have run all the time":         {ran(3 * time.Minute), fence.ServerView{Addr: master}, false, 0},
		"most of the sentinels have run all the time": {ran(time.Hour)[:2], fence.ServerView{Addr: master}, false, 0},
		"they came up a minute before it ended":       {ran(2 * time.Minute), fence.ServerView{Addr: master}, false, 100},
		"they came up before that":                    {ran(2*time.Minute + 1), fence.ServerView{Addr: master}, false, 0},
		"the sentinels came up with it":               {ran(time.Minute), fence.ServerView{Addr: master}, false, 100},
		"a minority of them has run":                  {ran(time.Hour)[:1], fence.ServerView{Addr: master}, false, 100},
		"one heard the master for longer":             {heard(ran(time.Second), 2*time.Second+1, 1500*time.Millisecond), fence.ServerView{Addr: master}, false, 0},
		"as long, but for the time between two pings": {heard(ran(time.Second), 2*time.Second, 1500*time.Millisecond), fence.ServerView{Addr: master}, false, 100},
		"the master ended before it":                  {heard(ran(time.Second), time.Second, 3*time.Second), fence.ServerView{Addr: master}, false, 100},
		"one that does not know it as a replica":      {heard(ran(time.Second), 0, time.Second), fence.ServerView{Addr: master}, false, 100},
		"another master was heard for longer": {heard([]fence.SentinelView{{Answered: true, Names: addr("n3", 6379)}, {Answered: true, Names: master}, {Answered: true, Names: master}},
			time.Hour, time.Second), fence.ServerView{Addr: master}, false, 100},
		"no sentinel answers, nor does a master": {nil, fence.ServerView{Addr: master}, false, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, nil)
			in := Instance{Identity: group, Memory: Memory{Started: true, HadData: !tc.empty}, DownSince: now.Add(-time.Minute),
				Disk: Disk{Follows: master, Dataset: fleet.Dataset{Present: !tc.empty}}, Servers: []fence.ServerView{tc.master}}
			in.Sentinels = append(tc.sentinels, make([]fence.SentinelView, 3-len(tc.sentinels))...)
			out := Plan(g, Facts{Now: now, Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
			if len(out.Steps) != 1 || out.Steps[0].Follow != master {
				t.Fatalf("it does not start as a replica: %+v %v", out.Steps, out.Reasons)
			}
			if got := out.Steps[0].Priority; got != tc.want {
				t.Errorf("priority %d, want %d", got, tc.want)
			}
		})
	}
}

// TestPriorityBesideAPromotedServer: a replica that comes back while another one was
// promoted out of its history is not promoted in that one's place, although its sentinels
// still name the master before (S19, data-wins; simulation, seed 3594).
func TestPriorityBesideAPromotedServer(t *testing.T) {
	master, other := addr("n2", 6379), addr("n3", 6379)
	for name, tc := range map[string]struct {
		other fleet.Role
		was   string
		want  int
	}{
		"promoted out of its history": {fleet.RoleMaster, "mine", 0},
		"promoted out of another one": {fleet.RoleMaster, "other", 100},
		"a replica":                   {fleet.RoleReplica, "mine", 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, nil)
			in := Instance{Identity: group, Memory: Memory{Started: true, HadData: true, ReplID: "mine"},
				Disk:    Disk{Follows: master, Dataset: fleet.Dataset{Present: true}},
				Servers: []fence.ServerView{{Addr: master}, {Addr: other, Answered: true, Role: tc.other, Keys: 3, ReplID: "next", ReplID2: tc.was}}}
			for range 3 {
				in.Sentinels = append(in.Sentinels, fence.SentinelView{Answered: true, Names: master, Uptime: time.Second})
			}
			out := Plan(g, Facts{Now: time.Now(), Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
			if len(out.Steps) != 1 || out.Steps[0].Follow != master || out.Steps[0].Priority != tc.want {
				t.Errorf("%+v %v, want priority %d", out.Steps, out.Reasons, tc.want)
			}
		})
	}
}

// TestPriorityBesideAServerThatIsFurther: without an append-only file a replica comes
// back with its last snapshot, and one that went on has what it lacks, also where
// that one is no master and is kept from a promotion itself (S19, data-wins).
func TestPriorityBesideAServerThatIsFurther(t *testing.T) {
	further := fence.ServerView{Addr: addr("n3", 6379), Answered: true, Role: fleet.RoleReplica, Keys: 22, ReplID: "new", ReplID2: "old", Offset: 4186}
	for name, tc := range map[string]struct {
		appendonly, lineage string
		offset              int64
		edit                func(*fence.ServerView)
		want                int
	}{
		"further in the same history":        {"no", "new", 3118, func(*fence.ServerView) {}, 0},
		"further, in a history that goes on": {"no", "old", 3118, func(*fence.ServerView) {}, 0},
		"a byte further":                     {"no", "new", 4185, func(*fence.ServerView) {}, 0},
		"as far":                             {"no", "new", 4186, func(*fence.ServerView) {}, 100},
		"of another history":                 {"no", "other", 3118, func(*fence.ServerView) {}, 100},
		"the files tell no history":          {"no", "", 0, func(s *fence.ServerView) { s.ReplID2 = "" }, 100},
		"it is empty":                        {"no", "new", 3118, func(s *fence.ServerView) { s.Keys = 0 }, 100},
		"it does not answer":                 {"no", "new", 3118, func(s *fence.ServerView) { s.Answered = false }, 100},
		"with an append-only file":           {"yes", "new", 3118, func(*fence.ServerView) {}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, func(g *fleet.InstanceGoal) { g.Config = fleet.Directives{"appendonly": {tc.appendonly}} })
			other := further
			tc.edit(&other)
			in := Instance{Identity: group, Memory: Memory{Started: true, HadData: true, ReplID: "new", Lineages: "new old other"},
				Disk:      Disk{Follows: addr("n2", 6379), Dataset: fleet.Dataset{Present: true, ReplID: tc.lineage, Offset: tc.offset}},
				Sentinels: make([]fence.SentinelView, 3), Servers: []fence.ServerView{{Addr: addr("n2", 6379)}, other}}
			out := Plan(g, Facts{Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
			if len(out.Steps) != 1 || out.Steps[0].Follow != addr("n2", 6379) {
				t.Fatalf("it does not start as a replica: %+v %v", out.Steps, out.Reasons)
			}
			if got := out.Steps[0].Priority; got != tc.want {
				t.Errorf("priority %d, want %d", got, tc.want)
			}
		})
	}
}

// TestPriorityOfAnOvertakenMaster: the elected master of a fresh group that comes
// after the sentinels have promoted another is empty beside one that takes writes,
// and must not be promotable before it has those (S19). A replica of the elected
// one lacks nothing.
func TestPriorityOfAnOvertakenMaster(t *testing.T) {
	for name, tc := range map[string]struct {
		elected   string
		sentinels []fence.SentinelView
		want      int
	}{
		"another was promoted":     {"n1", votes("n2"), 0},
		"it follows the elected":   {"n2", nil, 100},
		"the elected, as promoted": {"n2", votes("n2"), 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, seeded(tc.elected, true))
			in := Instance{Identity: group, Sentinels: tc.sentinels, Listening: map[fleet.Addr]bool{addr("n2", 6379): true}}
			out := Plan(g, Facts{Now: time.Unix(1000, 0), Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
			if len(out.Steps) != 1 || out.Steps[0].Follow != addr("n2", 6379) || out.Steps[0].Priority != tc.want {
				t.Errorf("%+v %v", out.Steps, out.Reasons)
			}
		})
	}
}

// TestStepsInFull: what a step says beside its kind, and the fence's rule.
func TestStepsInFull(t *testing.T) {
	now := time.Unix(1000, 0)
	data := Disk{Dataset: fleet.Dataset{Present: true}}
	ran := Memory{Started: true, HadData: true}
	canPromote := votes("n1")
	for i := range canPromote {
		canPromote[i].Promotable = []fleet.Addr{addr("n2", 6379)}
	}
	restart := func(g *fleet.InstanceGoal) { g.Monitor.OnCrash = fleet.OnCrashRestart }
	for name, tc := range map[string]struct {
		edit          func(*fleet.InstanceGoal)
		in            Instance
		starts        bool
		fenced, quick bool
		rule          string
	}{
		"a first start":   {seeded("n1", true), Instance{Identity: group}, true, false, false, "seed"},
		"a return":        {nil, Instance{Identity: group, Memory: ran, Disk: data, Sentinels: votes("n1")}, true, true, false, "no-replica"},
		"a quick restart": {restart, Instance{Identity: group, Memory: ran, Disk: data, Sentinels: canPromote, DownSince: now}, true, true, true, fence.RuleQuickRestart},
		"in the same boot of the machine": {restart, Instance{Identity: group, Memory: Memory{Started: true, HadData: true, Boot: "b"}, Boot: "b", Disk: data, Sentinels: canPromote, DownSince: now},
			true, true, true, fence.RuleQuickRestart},
		"none after a boot":     {restart, Instance{Identity: group, Memory: ran, Boot: "b", Disk: data, Sentinels: canPromote, DownSince: now}, false, false, false, "await-failover"},
		"none without the wish": {nil, Instance{Identity: group, Memory: ran, Disk: data, Sentinels: canPromote, DownSince: now}, false, false, false, "await-failover"},
		"nothing to decide":     {nil, Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActive}, Redis: &Redis{AOF: true}}, false, false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := goal(fleet.KindRedis, tc.edit)
			id := g.Instances[0].ID
			out := Plan(g, Facts{Now: now, Instances: map[fleet.InstanceID]Instance{id: tc.in}})
			if len(out.Steps) == 1 != tc.starts || tc.starts && (out.Steps[0].Fenced != tc.fenced || out.Steps[0].Quick != tc.quick) {
				t.Errorf("the steps are %+v", out.Steps)
			}
			if rule, told := out.Rules[id]; rule != tc.rule || told != (tc.rule != "") {
				t.Errorf("the rule is %q, want %q", rule, tc.rule)
			}
		})
	}
}

// TestSystemdIsAtIt: what the fence holds is told as the fence says, though systemd
// is trying; what it would start is left to systemd.
func TestSystemdIsAtIt(t *testing.T) {
	for name, tc := range map[string]struct {
		sentinels []fence.SentinelView
		systemd   bool
	}{"held": {make([]fence.SentinelView, 3), false}, "may start": {votes("n2"), true}} {
		g := goal(fleet.KindRedis, nil)
		in := Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActivating}, Memory: Memory{Started: true, HadData: true},
			Disk: Disk{Dataset: fleet.Dataset{Present: true}}, Sentinels: tc.sentinels}
		out := Plan(g, Facts{Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
		if got := out.Reasons[g.Instances[0].ID]; len(out.Steps) != 0 || strings.HasPrefix(got, "systemd is starting it: ") != tc.systemd {
			t.Errorf("%s: %s %+v", name, got, out.Steps)
		}
	}
}

// TestWhomASentinelIsIntroducedTo: each peer that listens and that it does not know.
func TestWhomASentinelIsIntroducedTo(t *testing.T) {
	g := goal(fleet.KindSentinel, seeded("n1", true))
	in := Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActive}, Sentinel: &Sentinel{Peers: map[string]bool{"id-n2": true}},
		Listening: map[fleet.Addr]bool{addr("n1", 26379): true, addr("n2", 26379): true, addr("n3", 26379): true}}
	out := Plan(g, Facts{Instances: map[fleet.InstanceID]Instance{g.Instances[0].ID: in}})
	if len(out.Steps) != 1 || out.Steps[0].Peer.Node != "n3" {
		t.Errorf("the steps are %+v", out.Steps)
	}
}

// TestAProcessWithoutItsFolder runs and is held: it must not count as absent, or it
// would be installed anew beside itself.
func TestAProcessWithoutItsFolder(t *testing.T) {
	if got := StateOf(fleet.KindRedis, Instance{Unit: fleet.UnitStatus{State: fleet.UnitActive}}); got != fleet.Held {
		t.Errorf("its state is %s", got)
	}
}

func TestLineages(t *testing.T) {
	var l Lineages
	l = l.With("a", "", "0000", "b").With("a")
	if l != "a b" {
		t.Errorf("kept %q", l)
	}
	for i := range 2 * mostLineages {
		l = l.With(fmt.Sprint("id", i))
	}
	if list := l.List(); len(list) != mostLineages || list[mostLineages-1] != fmt.Sprint("id", 2*mostLineages-1) {
		t.Errorf("%d are kept, the last is %s", len(list), list[len(list)-1])
	}
}

// TestEveryPairOfStates walks the transition table: each pair has one row or is
// an error, and each row's end is a state that the table can go on from.
func TestEveryPairOfStates(t *testing.T) {
	rows := 0
	for _, current := range fleet.States() {
		for _, assigned := range fleet.States() {
			row, err := fleet.TransitionFor(current, assigned)
			if err != nil {
				continue
			}
			rows++
			if _, err := fleet.TransitionFor(row.Next, assigned); err != nil {
				t.Errorf("%s → %s ends in %s, from where nothing leads on: %v", current, assigned, row.Next, err)
			}
		}
	}
	if rows != len(fleet.Transitions()) {
		t.Errorf("%d rows are reached, the table has %d: a pair stands twice", rows, len(fleet.Transitions()))
	}
}
