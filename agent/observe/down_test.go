package observe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/redistest"
)

// TestServerThatLoads: a server answers INFO while it loads, with no key yet. The
// fence must not take it for an empty one (promise no-empty-master).
func TestServerThatLoads(t *testing.T) {
	addr := fleet.Addr{Host: "n2", Port: 6379}
	view := serverView(addr, redis.Info{Role: fleet.RoleReplica, Loading: true, ReplID: "a"})
	d := fence.Decide(fence.Case{
		Topology: fleet.Replication, Self: fence.Self{Addr: fleet.Addr{Host: "n1", Port: 6379}},
		Servers: []fence.ServerView{view},
	})
	if !view.Answered || d.Start || d.Rule != "no-empty-master" {
		t.Errorf("beside a server that loads, an empty master gets %+v", d)
	}
}

// TestOnlyTheProbe: redfleet's own probe, alone in a dataset, is told from a client's key,
// on a replica that serves what it had, too (no-empty-master; simulation, seed 5102).
func TestOnlyTheProbe(t *testing.T) {
	dir, port := t.TempDir(), redistest.FreePort(t, "127.0.0.1")
	at := fleet.Addr{Host: "127.0.0.1", Port: port}
	conf := redistest.Write(t, dir, "redis.conf", fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\nrequirepass pw\nsave \"\"\n", port, dir))
	server := redistest.Start(t, conf, at.String(), "pw")
	g := fleet.InstanceGoal{Group: "main", Addr: fleet.Addr{Host: "n1", Port: 6379}, Servers: []fleet.Member{{Node: "n2", Addr: at}}}
	probe := fleet.ProbeKey("main")
	for _, step := range []struct {
		do   []any
		keys int64
		want bool
	}{
		{[]any{"PING"}, 0, false},
		{[]any{"SET", "k", "1"}, 1, false},
		{[]any{"SET", probe, "1"}, 2, false},
		{[]any{"DEL", "k"}, 1, true},
		{[]any{"REPLICAOF", "127.0.0.1", "1"}, 1, true},
	} {
		server.Do(step.do...)
		var views []fence.ServerView
		redistest.Until(t, "the server answers within askTimeout", func() bool {
			views = askServers(t.Context(), redis.Network{Dialer: Machine{}}, g, "pw")
			return len(views) == 1 && views[0].Answered
		})
		if views[0].Keys != step.keys || views[0].OnlyProbe != step.want {
			t.Errorf("after %v: %+v, want %d keys, only the probe: %v", step.do, views, step.keys, step.want)
		}
	}
}

// TestAsksNobody: only a first start in a group that nobody wrote to does without the
// others' answers (promise no-empty-master).
func TestAsksNobody(t *testing.T) {
	me, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}
	data := converge.Disk{Dataset: fleet.Dataset{Present: true}}
	runs := map[fleet.Addr]bool{other: true}
	for name, tc := range map[string]struct {
		seed *fleet.Seed
		in   converge.Instance
		want bool
	}{
		"the group serves":                              {nil, converge.Instance{}, false},
		"the elected master":                            {&fleet.Seed{Master: me, Fresh: true}, converge.Instance{}, true},
		"the elected master, and a server runs":         {&fleet.Seed{Master: me, Fresh: true}, converge.Instance{Listening: runs}, false},
		"a replica":                                     {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Listening: runs}, true},
		"it ran before":                                 {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Memory: converge.Memory{Started: true}}, false},
		"the elected master of a group written to":      {&fleet.Seed{Master: me, Fresh: true, Written: true}, converge.Instance{}, false},
		"a replica of a group written to":               {&fleet.Seed{Master: other, Fresh: true, Written: true}, converge.Instance{}, false},
		"with data, in a group that began with data":    {&fleet.Seed{Master: other}, converge.Instance{Disk: data}, false},
		"without, in a group that began with data":      {&fleet.Seed{Master: other}, converge.Instance{}, true},
		"with data that nobody saw at a fresh election": {&fleet.Seed{Master: other, Fresh: true}, converge.Instance{Disk: data}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := fleet.InstanceGoal{Kind: fleet.KindRedis, Addr: me, Seed: tc.seed}
			if got := asksNobody(g, tc.in); got != tc.want {
				t.Errorf("asks nobody: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestAwaits: a sentinel waits for the server that it has promoted, and for no other, as
// soon as it has counted that one as down. The flags are those of Redis 7.0.15.
func TestAwaits(t *testing.T) {
	me, old, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}, fleet.Addr{Host: "n3", Port: 6379}
	for name, tc := range map[string]struct {
		self, names, entry fleet.Addr
		flags, replica     string
		want               bool
	}{
		"promoted, and down since":              {me, me, old, "s_down,master,failover_in_progress,force_failover", "s_down,slave,disconnected,promoted", true},
		"not counted as down yet":               {me, me, old, "master,failover_in_progress", "slave,disconnected,promoted", false},
		"not promoted yet, only chosen":         {me, old, old, "master,failover_in_progress", "s_down,slave,promoted", false},
		"another one was promoted":              {me, other, old, "master,failover_in_progress", "s_down,slave", false},
		"its entry is no promoted one's":        {me, me, old, "master,failover_in_progress", "s_down,slave,disconnected", false},
		"the failover is over":                  {me, me, old, "master", "s_down,slave,disconnected,promoted", false},
		"a failover away from it":               {me, me, me, "o_down,master,failover_in_progress", "s_down,slave,disconnected,promoted", false},
		"it is asked about another one's place": {other, me, old, "master,failover_in_progress", "s_down,slave,disconnected,promoted", false},
	} {
		t.Run(name, func(t *testing.T) {
			info := redis.View{Master: redis.Instance{Addr: tc.entry, Flags: tc.flags}, Replicas: []redis.Instance{{Addr: me, Flags: tc.replica}}}
			info.Report.Master = tc.names
			if v := sentinelView("n3", tc.self, info); v.Awaits != tc.want {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestReaches: which of the group's sentinels one has not counted as down.
func TestReaches(t *testing.T) {
	at := func(host string) fleet.Addr { return fleet.Addr{Host: host, Port: 26379} }
	members := []fleet.Member{{Node: "n1", Addr: at("h1")}, {Node: "n2", Addr: at("h2")}, {Node: "n3", Addr: at("h3")}}
	got := reaches(members, []fleet.SeenInstance{
		{Addr: at("h1"), Flags: "s_down,sentinel,disconnected"}, {Addr: at("h2"), Flags: "sentinel"}, {Addr: at("ghost"), Flags: "sentinel"},
	})
	if !slices.Equal(got, []string{"n2"}) {
		t.Errorf("%v", got)
	}
}

// TestHeard: a master has answered the sentinel since that one started where its answer is
// older than the PING that waits for another one; not where the entry is still the old
// master's, and not where both ages are those of the entry, which count from its making.
func TestHeard(t *testing.T) {
	me, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}
	for name, tc := range map[string]struct {
		entry           fleet.Addr
		pending, answer time.Duration
		want            bool
	}{
		"it answered, and ended":              {me, 454 * time.Millisecond, 1505 * time.Millisecond, true},
		"it answers":                          {me, 0, 103 * time.Millisecond, true},
		"it never did":                        {me, 2010 * time.Millisecond, 2010 * time.Millisecond, false},
		"the one that it takes over from did": {other, 454 * time.Millisecond, 1505 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			info := redis.View{Master: redis.Instance{Addr: tc.entry, PingPending: tc.pending, LastAnswer: tc.answer}}
			info.Report.Master = me
			if v := sentinelView("n3", me, info); v.Heard != tc.want {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestSilenceOfSelf: what the fence learns of a sentinel about the master and about the
// instance that asks, by whose address and nobody else's.
func TestSilenceOfSelf(t *testing.T) {
	me, other := fleet.Addr{Host: "n1", Port: 6379}, fleet.Addr{Host: "n2", Port: 6379}
	info := redis.View{Master: redis.Instance{LastAnswer: time.Second}, Replicas: []redis.Instance{
		{Addr: other, LastAnswer: time.Minute}, {Addr: me, LastAnswer: time.Hour},
	}}
	if v := sentinelView("n3", me, info); v.Silence != time.Second || v.SelfSilence != time.Hour {
		t.Errorf("%+v", v)
	}
	if v := sentinelView("n3", fleet.Addr{Host: "n3", Port: 6379}, info); v.SelfSilence != 0 {
		t.Errorf("of one that it does not know: %+v", v)
	}
}
