package evidence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

func addr(host string) fleet.Addr { return fleet.Addr{Host: host, Port: 6379} }

// crash is a master on n1 that died a moment ago with all in order.
func crash(edit func(*Case)) Case {
	c := Case{
		Node: "n1", Self: addr("n1"), Crashed: true, SinceEnd: 10 * time.Millisecond,
		Last:    Last{ReplID: "L1", Offset: 100, Replicas: []fleet.Addr{addr("n2"), addr("n3")}},
		Monitor: fleet.Monitor{Quorum: 2, DownAfter: fleet.Duration(5 * time.Second)},
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		c.Sentinels = append(c.Sentinels, fence.SentinelView{Node: n, Answered: true, Names: c.Self, Epoch: 4, Flags: "master",
			Promotable: []fleet.Addr{addr("n2"), addr("n3")}, Silence: time.Second, Usable: 3, Knows: map[fleet.Addr]fence.Known{
				addr("n2"): {Priority: 100, Offset: 90, InfoAge: time.Second}, addr("n3"): {Priority: 100, Offset: 90, InfoAge: time.Second}}})
	}
	for _, n := range []string{"n2", "n3"} {
		c.Servers = append(c.Servers, fence.ServerView{Addr: addr(n), Answered: true, Role: fleet.RoleReplica, Master: c.Self, ReplID: "L1", Offset: 120})
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

// TestPatience: a quarter of down-after, between 1 and 5 s.
func TestPatience(t *testing.T) {
	for down, want := range map[time.Duration]time.Duration{
		2 * time.Second: time.Second, 4 * time.Second: time.Second, 8 * time.Second: 2 * time.Second,
		20 * time.Second: 5 * time.Second, time.Minute: 5 * time.Second,
	} {
		if got := Patience(fleet.Monitor{DownAfter: fleet.Duration(down)}); got != want {
			t.Errorf("down-after %s: %s, want %s", down, got, want)
		}
	}
}

// TestWhatSentinelsLack: where nobody is asked it is told of each sentinel why, the
// first that holds, and of the master's own one last.
func TestWhatSentinelsLack(t *testing.T) {
	lacking := []struct {
		why  string
		edit func(v *fence.SentinelView)
	}{
		{"does not answer", func(v *fence.SentinelView) { v.Answered = false }},
		{"is in TILT", func(v *fence.SentinelView) { v.Tilt = true }},
		{"reaches 1 of 3 sentinels, and a majority is 2", func(v *fence.SentinelView) { v.Usable = 1 }},
		{"can promote no replica", func(v *fence.SentinelView) { v.Promotable = nil }},
	}
	for i, first := range lacking {
		c := crash(func(c *Case) { c.Servers[1].Offset = 119 })
		for _, l := range lacking[i:] {
			l.edit(&c.Sentinels[2])
		}
		late := "has read too lately what n2:6379 has, which is more than n3:6379 has, to ask again before it chooses"
		want := "the sentinel on n2 " + late + ", the sentinel on n3 " + first.why + ", the sentinel on n1 " + late
		for since, verdict := range map[time.Duration]Verdict{0: Wait, time.Minute: Leave} {
			c.SinceEnd = since
			if d := Decide(c); d.Rule != "no-sentinel" || d.Reason != want || d.Verdict != verdict {
				t.Errorf("%s after the end: %+v, want %q", since, d, want)
			}
		}
	}
}

// TestWhatReplicasLack: why a sentinel is not asked because of a replica that it could
// promote.
func TestWhatReplicasLack(t *testing.T) {
	for why, edit := range map[string]func(c *Case){
		"could promote n4:6379, which is no member": func(c *Case) { promote(c, addr("n2"), addr("n4")) },
		"could promote n2:6379, which does not answer": func(c *Case) {
			c.Servers[0].Answered, c.Last.Replicas = false, c.Last.Replicas[1:]
		},
		"could promote n3:6379, which was not in sync when the master was last seen": func(c *Case) {
			c.Servers[1].ReplID, c.Last.Replicas = "L9", c.Last.Replicas[:1]
		},
		"could promote n3:6379, which has less than the master had when that was last seen, or is not its replica any more": func(c *Case) { c.Servers[1].Offset = 99 },
		"cannot promote n3:6379, which has more than those that it can": func(c *Case) {
			c.Servers[1].Offset = 121
			onlyN2(c)
		},
		"prefers n2:6379, which has less than n3:6379, by its priority": func(c *Case) {
			c.Servers[1].Offset = 121
			know(c, "n2", fence.Known{Priority: 99, Offset: 90, InfoAge: time.Minute})
		},
	} {
		c := crash(edit)
		c.Sentinels = slices.Concat(c.Sentinels[1:2], c.Sentinels[:1], c.Sentinels[2:])
		if d := Decide(c); d.Rule != "no-sentinel" || !strings.HasPrefix(d.Reason, "the sentinel on n2 "+why+", the sentinel on n3 ") {
			t.Errorf("got %+v, want %s", d, why)
		}
	}
}

// know has every sentinel know this of a replica.
func know(c *Case, node string, k fence.Known) {
	for i := range c.Sentinels {
		c.Sentinels[i].Knows[addr(node)] = k
	}
}

// TestTheReasonThatIsTold: of several reasons not to ask, all that hold from one on,
// the first is told: what the spec wants before what was seen.
func TestTheReasonThatIsTold(t *testing.T) {
	type reason struct {
		rule string
		edit func(*Case)
	}
	for name, list := range map[string][]reason{
		"of the group and the server": {
			{"restart", func(c *Case) { c.Monitor.OnCrash = fleet.OnCrashRestart }},
			{"not-a-crash", func(c *Case) { c.Crashed = false }},
			{"short-down-after", func(c *Case) { c.Monitor.DownAfter = fleet.LeastEvidence - 1 }},
			{"low-quorum", func(c *Case) { c.Monitor.Quorum = 1 }},
			{"started-again", func(c *Case) { c.Listening = true }},
			{"no-replica", func(c *Case) { c.Last.Replicas = nil }},
		},
		"of a sentinel": {
			{"named-other", func(c *Case) { c.Sentinels[2].Names = addr("n3") }},
			{"failover-under-way", func(c *Case) { c.Sentinels[2].Flags = "master,failover_in_progress" }},
			{"counted-down", func(c *Case) { c.Sentinels[2].Silence = time.Minute }},
			{"epochs-differ", func(c *Case) { c.Sentinels[2].Epoch = 5 }},
		},
	} {
		for i, first := range list {
			c := crash(nil)
			for _, r := range list[i:] {
				r.edit(&c)
			}
			if d := Decide(c); d.Rule != first.rule {
				t.Errorf("%s: told is %s, want %s", name, d.Rule, first.rule)
			}
		}
	}
}

func TestDecide(t *testing.T) {
	for name, tc := range map[string]struct {
		edit     func(*Case)
		verdict  Verdict
		rule     string
		sentinel string
	}{
		"all in order":                 {nil, Ask, "ask", "n2"},
		"one sentinel is silent":       {func(c *Case) { c.Sentinels[1] = fence.SentinelView{Node: "n2"} }, Ask, "ask", "n3"},
		"only its own machine's can":   {func(c *Case) { c.Sentinels[1].Tilt, c.Sentinels[2].Tilt = true, true }, Ask, "ask", "n1"},
		"on_crash is restart":          {func(c *Case) { c.Monitor.OnCrash = fleet.OnCrashRestart }, Leave, "restart", ""},
		"somebody ended it":            {func(c *Case) { c.Crashed = false }, Leave, "not-a-crash", ""},
		"a short down-after":           {func(c *Case) { c.Monitor.DownAfter = fleet.LeastEvidence - 1 }, Leave, "short-down-after", ""},
		"the least down-after":         {func(c *Case) { c.Monitor.DownAfter = fleet.LeastEvidence }, Ask, "ask", "n2"},
		"a quorum below the majority":  {func(c *Case) { c.Monitor.Quorum = 1 }, Leave, "low-quorum", ""},
		"started again":                {func(c *Case) { c.Listening = true }, Leave, "started-again", ""},
		"it had no replica":            {func(c *Case) { c.Last.Replicas = nil }, Leave, "no-replica", ""},
		"a sentinel names another":     {func(c *Case) { c.Sentinels[2].Names = addr("n3") }, Leave, "named-other", ""},
		"a failover is under way":      {func(c *Case) { c.Sentinels[2].Flags = "master,failover_in_progress" }, Leave, "failover-under-way", ""},
		"a sentinel counts it as down": {func(c *Case) { c.Sentinels[0].Flags = "s_down,master" }, Leave, "counted-down", ""},
		"a sentinel soon will":         {func(c *Case) { c.Sentinels[0].Silence = 3501 * time.Millisecond }, Leave, "counted-down", ""},
		"a sentinel will in a while":   {func(c *Case) { c.Sentinels[0].Silence = 3500 * time.Millisecond }, Ask, "ask", "n2"},
		"epochs differ":                {func(c *Case) { c.Sentinels[2].Epoch = 5 }, Wait, "epochs-differ", ""},
		"a minority answers":           {func(c *Case) { c.Sentinels[1].Answered, c.Sentinels[2].Answered = false, false }, Wait, "no-majority", ""},
		"a minority, for too long": {func(c *Case) {
			c.SinceEnd = 2 * time.Second
			c.Sentinels[1].Answered, c.Sentinels[2].Answered = false, false
		}, Leave, "no-majority", ""},
		"another master, and too late":            {func(c *Case) { c.Servers[1].Role = fleet.RoleMaster; c.SinceEnd = time.Hour }, Leave, "other-master", ""},
		"a sentinel that reaches just a majority": {func(c *Case) { c.Sentinels[1].Usable = 2 }, Ask, "ask", "n2"},
		"a minority, to the last": {func(c *Case) {
			c.SinceEnd = Patience(c.Monitor)
			c.Sentinels[1].Answered, c.Sentinels[2].Answered = false, false
		}, Wait, "no-majority", ""},
		"too late":                    {func(c *Case) { c.SinceEnd = Patience(c.Monitor) + 1 }, Leave, "too-late", ""},
		"just in time":                {func(c *Case) { c.SinceEnd = Patience(c.Monitor) }, Ask, "ask", "n2"},
		"another master":              {func(c *Case) { c.Servers[1].Role = fleet.RoleMaster }, Leave, "other-master", ""},
		"no replica answers":          {func(c *Case) { c.Servers[0].Answered, c.Servers[1].Answered = false, false }, Wait, "no-synced-replica", ""},
		"replicas lag":                {func(c *Case) { c.Servers[0].Offset, c.Servers[1].Offset = 99, 99 }, Wait, "no-synced-replica", ""},
		"replicas have what was seen": {func(c *Case) { c.Servers[0].Offset, c.Servers[1].Offset = 100, 100 }, Ask, "ask", "n2"},
		"one replica has less":        {func(c *Case) { c.Servers[1].Offset = 119 }, Wait, "no-sentinel", ""},
		"it has less, and that is asked anew": {func(c *Case) {
			c.Servers[1].Offset = 119
			know(c, "n2", fence.Known{Priority: 100, Offset: 90, InfoAge: time.Second + 1})
		}, Ask, "ask", "n2"},
		"it has less, and that is known": {func(c *Case) {
			c.Servers[1].Offset = 119
			know(c, "n2", fence.Known{Priority: 100, Offset: 120, InfoAge: time.Millisecond})
		}, Ask, "ask", "n2"},
		"it has less, and that is almost known": {func(c *Case) {
			c.Servers[1].Offset = 119
			know(c, "n2", fence.Known{Priority: 100, Offset: 119, InfoAge: time.Millisecond})
		}, Wait, "no-sentinel", ""},
		"the other priority does not count": {func(c *Case) {
			c.Servers[1].Offset = 119
			know(c, "n2", fence.Known{Priority: 99, Offset: 90, InfoAge: time.Minute})
		}, Ask, "ask", "n2"},
		"the preferred one has the same":  {func(c *Case) { know(c, "n3", fence.Known{Priority: 99, Offset: 90, InfoAge: time.Second}) }, Ask, "ask", "n2"},
		"a claim names another one":       {func(c *Case) { c.Claimed = "n3" }, Ask, "ask", "n3"},
		"the one of a claim is in TILT":   {func(c *Case) { c.Claimed, c.Sentinels[2].Tilt = "n3", true }, Wait, "no-sentinel", ""},
		"one has less, nobody takes it":   {func(c *Case) { c.Servers[1].Offset = 119; onlyN2(c) }, Ask, "ask", "n2"},
		"another lineage":                 {func(c *Case) { c.Servers[0].ReplID = "L9"; onlyN2(c) }, Wait, "no-sentinel", ""},
		"it follows another":              {func(c *Case) { c.Servers[0].Master = addr("n3"); onlyN2(c) }, Wait, "no-sentinel", ""},
		"it loads":                        {func(c *Case) { c.Servers[0].Loading = true; onlyN2(c) }, Wait, "no-sentinel", ""},
		"it was not in sync at the crash": {func(c *Case) { c.Last.Replicas = []fleet.Addr{addr("n3")}; onlyN2(c) }, Wait, "no-sentinel", ""},
		"nobody can be promoted":          {func(c *Case) { promote(c) }, Wait, "no-sentinel", ""},
		"sentinels reach no majority":     {func(c *Case) { c.Sentinels[0].Usable, c.Sentinels[1].Usable, c.Sentinels[2].Usable = 1, 1, 1 }, Wait, "no-sentinel", ""},
		"sentinels have stalled":          {func(c *Case) { c.Sentinels[0].Tilt, c.Sentinels[1].Tilt, c.Sentinels[2].Tilt = true, true, true }, Wait, "no-sentinel", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(crash(tc.edit))
			if d.Verdict != tc.verdict || d.Rule != tc.rule || d.Sentinel != tc.sentinel || d.Reason == "" {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func onlyN2(c *Case) { promote(c, addr("n2")) }

func promote(c *Case, to ...fleet.Addr) {
	for i := range c.Sentinels {
		c.Sentinels[i].Promotable = to
	}
}

// TestNeverAskedInDoubt: over generated answers, a request goes only to a sentinel
// that answered, with a majority that names the master, none of which sees it down
// or fails over, and only where it chooses the best replica.
func TestNeverAskedInDoubt(t *testing.T) {
	asked := 0
	rapid.Check(t, func(t *rapid.T) {
		odd := func(name string) bool { return rapid.IntRange(0, 40).Draw(t, name) == 40 }
		c := crash(nil)
		c.Crashed, c.Listening = !odd("clean"), odd("listening")
		c.SinceEnd = time.Duration(rapid.IntRange(0, 1600).Draw(t, "since")) * time.Millisecond
		c.Monitor.Quorum = 2 - rapid.IntRange(0, 5).Draw(t, "quorum")/5
		for i := range c.Servers {
			s := &c.Servers[i]
			s.Answered, s.Loading = !odd("gone"), odd("loading")
			s.Offset = rapid.SampledFrom([]int64{101, 101, 101, 100, 99}).Draw(t, "offset")
		}
		for i := range c.Sentinels {
			v := &c.Sentinels[i]
			v.Answered, v.Tilt = !odd("silent"), odd("tilt")
			if odd("other") {
				v.Names = addr("n2")
			}
			v.Flags = rapid.SampledFrom([]string{"master", "master", "master", "master", "master", "master", "master", "master", "master", "master", "s_down,master", "master,failover_in_progress"}).Draw(t, "flags")
			v.Usable = rapid.SampledFrom([]int{3, 2, 3, 1}).Draw(t, "usable")
			v.Silence = time.Duration(rapid.IntRange(0, 3600).Draw(t, "silence")) * time.Millisecond
			v.Promotable = rapid.SampledFrom([][]fleet.Addr{{addr("n2"), addr("n3")}, {addr("n2")}, nil}).Draw(t, "promotable")
			for _, s := range c.Servers {
				v.Knows[s.Addr] = fence.Known{
					Priority: rapid.SampledFrom([]int{100, 100, 10}).Draw(t, "priority"),
					Offset:   s.Offset - rapid.Int64Range(0, 3).Draw(t, "older"),
					InfoAge:  time.Duration(rapid.Int64Range(900, 1100).Draw(t, "info")) * time.Millisecond,
				}
			}
		}
		d := Decide(c)
		if d.Verdict != Ask {
			if d.Sentinel != "" {
				t.Fatalf("%+v names a sentinel", d)
			}
			return
		}
		asked++
		holdsAll(t, c, d)
	})
	if asked == 0 {
		t.Error("no generated case was one to ask in")
	}
}

func holdsAll(t *rapid.T, c Case, d Decision) {
	votes := 0
	for _, v := range c.Sentinels {
		if !v.Answered {
			continue
		}
		votes++
		if v.Names != c.Self || v.Flags != "master" || v.Silence+leastLeft > 5*time.Second {
			t.Fatalf("asked although the sentinel on %s says %+v", v.Node, v)
		}
		if v.Node != d.Sentinel {
			continue
		}
		if v.Tilt || v.Usable < 2 || len(v.Promotable) == 0 {
			t.Fatalf("asked a sentinel that cannot do it: %+v", v)
		}
		choosesTheBest(t, c, v)
	}
	asks := slices.ContainsFunc(c.Sentinels, func(v fence.SentinelView) bool { return v.Answered && v.Node == d.Sentinel })
	if votes < 2 || !asks || !c.Crashed || c.Listening || c.SinceEnd > Patience(c.Monitor) || c.Monitor.Quorum < 2 || strings.TrimSpace(d.Reason) == "" {
		t.Fatalf("asked on %d votes: %+v", votes, d)
	}
}

// choosesTheBest follows Sentinel's own rule over all that it may have read when it
// chooses: a replica's INFO of now where the last one is more than a second old, and
// either one where it is not.
func choosesTheBest(t *rapid.T, c Case, v fence.SentinelView) {
	best := int64(0)
	for _, s := range c.Servers {
		if s.Answered && !s.Loading {
			best = max(best, s.Offset)
		}
	}
	for reads := range 4 {
		var taken []fence.ServerView
		var by fence.Known
		for i, s := range c.Servers {
			if !slices.Contains(v.Promotable, s.Addr) {
				continue
			}
			k := v.Knows[s.Addr]
			if k.InfoAge > time.Second || reads&(1<<i) != 0 {
				k.Offset = s.Offset
			}
			switch {
			case len(taken) == 0, k.Priority < by.Priority, k.Priority == by.Priority && k.Offset > by.Offset:
				taken, by = []fence.ServerView{s}, k
			case k.Priority == by.Priority && k.Offset == by.Offset:
				taken = append(taken, s) // then it goes by the run id
			}
		}
		for _, s := range taken {
			if !s.Answered || s.Loading || s.Offset < 100 || s.Offset < best {
				t.Fatalf("%s could be promoted by the sentinel on %s: %+v, %+v", s.Addr, v.Node, c.Servers, v.Knows)
			}
		}
	}
}
