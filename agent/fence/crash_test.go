package fence

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// crashed is a master of three sentinels that crashed a moment ago.
func crashed(edit func(*Case)) Case {
	c := Case{
		Topology: fleet.Sentinel, Self: Self{Addr: addr("n1"), HasData: true, HadData: true, ReplID: "L1"},
		Sentinels: names(addr("n1"), 3, canPromote(addr("n2"))), Quorum: 2,
		DownAfter: 5 * time.Second, DownFor: time.Second, FailoverTimeout: time.Minute,
	}
	edit(&c)
	return c
}

// TestGaveWay: an instance whose agent gave the master's role up starts as a master
// only when no failover can come of that any more (hazard S20).
func TestGaveWay(t *testing.T) {
	young := func(c *Case) {
		c.Self.GaveUp = true
		for i := range c.Sentinels {
			c.Sentinels[i].Uptime = time.Second
		}
	}
	asked := func(c *Case) { young(c); c.Self.Asked = "b" }
	for name, tc := range map[string]struct {
		edit func(*Case)
		rule string
	}{
		"no marker":                           {func(c *Case) { young(c); c.Self.GaveUp = false }, "young-sentinels"},
		"about to ask":                        {young, "gave-way"},
		"about to ask, to the last":           {func(c *Case) { young(c); c.DownFor = askMargin - 1 }, "gave-way"},
		"never asked":                         {func(c *Case) { young(c); c.DownFor = askMargin }, "young-sentinels"},
		"asked":                               {func(c *Case) { asked(c); c.DownFor = c.DownAfter + settleMargin - 1 }, "gave-way"},
		"asked, and nothing came of it":       {func(c *Case) { asked(c); c.DownFor = c.DownAfter + settleMargin }, "young-sentinels"},
		"asked one that is silent":            {func(c *Case) { asked(c); c.Sentinels[1].Answered = false; c.DownFor = time.Minute }, "gave-way"},
		"asked one that is silent for long":   {func(c *Case) { asked(c); c.Sentinels[1].Answered = false; c.DownFor = 68 * time.Second }, "young-sentinels"},
		"a failover is under way":             {func(c *Case) { asked(c); c.Sentinels[1].Flags = "master,failover_in_progress" }, "failover-under-way"},
		"another is master":                   {func(c *Case) { asked(c); c.Sentinels = names(addr("n2"), 3, nil) }, "follow"},
		"a new machine under an old marker":   {func(c *Case) { asked(c) }, "gave-way"},
		"its file says replica, no majority":  {func(c *Case) { asked(c); c.Sentinels = silent(3); c.Self.Follows = addr("n2") }, "as-it-was"},
		"its file says master, no majority":   {func(c *Case) { asked(c); c.Sentinels = silent(3) }, "no-majority"},
		"forming again, from a restored seed": {func(c *Case) { young(c); c.Sentinels = silent(3); c.Seed = &fleet.Seed{Master: addr("n1")} }, "gave-way"},
	} {
		t.Run(name, func(t *testing.T) {
			c := crashed(tc.edit)
			if d := Decide(c); d.Rule != tc.rule || d.Start != (tc.rule == "young-sentinels" || d.Follow != fleet.Addr{}) {
				t.Errorf("got %+v", d)
			}
			if c.Seed == nil && c.Sentinels[0].Answered {
				if d := First(c); d.Rule != tc.rule {
					t.Errorf("a first start got %+v", d)
				}
			}
		})
	}
}

// TestQuickRestart: with on_crash = "restart" a crashed master starts again while no
// sentinel can have begun a failover before it answers.
func TestQuickRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		edit  func(*Case)
		start bool
	}{
		"all in order":                          {func(*Case) {}, true},
		"on_crash is failover":                  {func(c *Case) { c.Restart = false }, false},
		"it was tried already":                  {func(c *Case) { c.Self.Retried = true }, false},
		"its machine was booted since":          {func(c *Case) { c.Self.Rebooted = true }, false},
		"a quorum below the majority":           {func(c *Case) { c.Quorum = 1 }, false},
		"its data is gone":                      {func(c *Case) { c.Self.HasData = false }, false},
		"it never had data":                     {func(c *Case) { c.Self.HasData, c.Self.HadData = false, false }, true},
		"as much data as loads in time":         {func(c *Case) { c.Self.DataBytes = 2 * loadRate }, true},
		"data that loads in half of down-after": {func(c *Case) { c.DownAfter, c.Self.DataBytes = 4*time.Second, 2*loadRate }, true},
		"one sentinel gave no answer at all":    {func(c *Case) { c.Sentinels[0] = SentinelView{Node: "a"} }, true},
		"too much data to load in time":         {func(c *Case) { c.Self.DataBytes = 3 * loadRate }, false},
		"another is master": {func(c *Case) {
			c.Servers = []ServerView{{Addr: addr("n2"), Answered: true, Role: fleet.RoleMaster, Keys: 1}}
		}, false},
		"one sentinel is silent":        {func(c *Case) { c.Sentinels[2].Answered = false }, true},
		"a minority answers":            {func(c *Case) { c.Sentinels[1].Answered, c.Sentinels[2].Answered = false, false }, false},
		"a sentinel counts it as down":  {func(c *Case) { c.Sentinels[2].Flags = "s_down,master" }, false},
		"a sentinel names another":      {func(c *Case) { c.Sentinels[2].Names = addr("n2") }, false},
		"a sentinel has missed it long": {func(c *Case) { c.Sentinels[2].Silence = 2501 * time.Millisecond }, false},
		"a sentinel misses it":          {func(c *Case) { c.Sentinels[2].Silence = 2500 * time.Millisecond }, true},
		"a failover is under way":       {func(c *Case) { c.Sentinels[2].Flags = "master,failover_in_progress" }, false},
		"its agent gave way":            {func(c *Case) { c.Self.GaveUp = true }, false},
		"it is empty beside a full peer": {func(c *Case) {
			c.Self.HasData = false
			c.Servers = []ServerView{{Addr: addr("n2"), Answered: true, Keys: 1}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(crashed(func(c *Case) { c.Restart = true; tc.edit(c) }))
			if d.Start != tc.start || d.Start && d.Rule != RuleQuickRestart || d.Follow != (fleet.Addr{}) {
				t.Errorf("got %+v", d)
			}
		})
	}
}
