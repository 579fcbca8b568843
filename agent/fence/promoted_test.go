package fence

import (
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestPromotedComesBack: a server that was promoted and ended before that failover did
// starts again, as the master that all name, although the sentinel that leads it still
// fails over: that one waits for nobody else (simulation, seed 1179). What else keeps a
// master down does so then, too.
func TestPromotedComesBack(t *testing.T) {
	me, other := addr("n2"), addr("n3")
	leads := func(v *SentinelView) { v.Flags, v.Awaits = "s_down,master,failover_in_progress", true }
	reaches := func(nodes ...string) func(*Case) {
		return func(c *Case) {
			canPromote(other)(&c.Sentinels[2])
			c.Sentinels[2].Usable, c.Sentinels[2].Reaches = 1+len(nodes), nodes
		}
	}
	for name, tc := range map[string]struct {
		edit func(*Case)
		rule string
	}{
		"the leader waits for it":                       {func(*Case) {}, "no-replica"},
		"the leader would have a replica, and waits":    {func(c *Case) { canPromote(other)(&c.Sentinels[1]) }, "no-replica"},
		"the leader fails over from it":                 {func(c *Case) { c.Sentinels[1].Awaits = false }, "failover-under-way"},
		"the leader is in TILT":                         {func(c *Case) { c.Sentinels[1].Tilt = true }, "failover-under-way"},
		"another one fails over, from it":               {func(c *Case) { c.Sentinels[2].Flags = "o_down,master,failover_in_progress" }, "failover-under-way"},
		"another one can promote a replica":             {func(c *Case) { canPromote(other)(&c.Sentinels[2]) }, "await-failover"},
		"… and could reach one more":                    {reaches("b"), "await-failover"},
		"… and only the one that waits could elect it":  {func(c *Case) { reaches("b")(c); c.Sentinels[0].Answered = false }, "no-replica"},
		"… and reaches another one":                     {reaches("a"), "await-failover"},
		"… and reaches both":                            {reaches("a", "b"), "await-failover"},
		"… and reaches nobody":                          {reaches(), "await-failover"},
		"… and the one that waits does not answer":      {func(c *Case) { reaches("b")(c); c.Sentinels[1].Answered = false }, "await-failover"},
		"another one names a successor, by a new epoch": {func(c *Case) { c.Sentinels[2].Names, c.Sentinels[2].Epoch = other, 9 }, "newer-epoch"},
		"the others have a successor": {func(c *Case) {
			c.Sentinels[0].Names, c.Sentinels[2].Names = other, other
		}, "follow"},
		"it is not down for long": {func(c *Case) { c.DownFor = time.Second }, "await-verdict"},
		"its data is gone":        {func(c *Case) { c.Self.HasData = false }, "no-empty-master"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, DownFor: time.Minute,
				Self:      Self{Addr: me, HasData: true, HadData: true, Ran: true, ReplID: "L2"},
				Servers:   []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 5, ReplID: "L2"}},
				Sentinels: names(me, 3, nil),
			}
			leads(&c.Sentinels[1])
			tc.edit(&c)
			if d := Decide(c); d.Rule != tc.rule {
				t.Errorf("%s: %s, want %s", d.Rule, d.Reason, tc.rule)
			}
		})
	}
}

// TestPromotedIsHeld: a promoted server that ended and is held, since a replica has more
// than its disk, says which sentinel waits for it, and so what ends that. It says so only
// where that is why nothing goes on (simulation, seed 5527).
func TestPromotedIsHeld(t *testing.T) {
	me, other := addr("n2"), addr("n3")
	const hint = "restart the sentinel on b"
	for name, tc := range map[string]struct {
		edit func(*Case)
		rule string
		says bool
	}{
		"its snapshot is older": {func(*Case) {}, "newer-data", true},
		"its data is gone":      {func(c *Case) { c.Self.HasData = false }, "no-empty-master", true},
		"the replica is loading": {func(c *Case) {
			c.Self.HasData, c.Servers[0].Keys, c.Servers[0].Loading = false, 0, true
		}, "no-empty-master", true},
		"no replica has any data": {func(c *Case) {
			c.Self.HasData, c.Servers[0].Keys = false, 0
			c.Servers = append(c.Servers, ServerView{Addr: addr("n1")})
		}, "no-empty-master", false},
		"nobody waits for it": {func(c *Case) { c.Sentinels[1].Awaits, c.Sentinels[1].Flags = false, "s_down,master" }, "newer-data", false},
		"the first one leads": {func(c *Case) {
			c.Sentinels[0], c.Sentinels[1] = c.Sentinels[1], c.Sentinels[0]
		}, "newer-data", true},
		"its leader does not answer":      {func(c *Case) { c.Sentinels[1].Answered = false }, "newer-data", false},
		"its leader is in TILT":           {func(c *Case) { c.Sentinels[1].Tilt = true }, "failover-under-way", false},
		"another one fails over, from it": {func(c *Case) { c.Sentinels[2].Flags = "o_down,master,failover_in_progress" }, "failover-under-way", false},
		"its snapshot has all":            {func(c *Case) { c.Self.Lineage, c.Self.Offset = "L2", 9 }, "no-replica", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := Case{
				Topology: fleet.Sentinel, DownAfter: 5 * time.Second, DownFor: time.Minute,
				Self:      Self{Addr: me, HasData: true, HadData: true, Ran: true, Volatile: true, ReplID: "L2", Lineage: "L1", Offset: 4},
				Servers:   []ServerView{{Addr: other, Answered: true, Role: fleet.RoleReplica, Keys: 5, ReplID: "L2", Offset: 9}},
				Sentinels: names(me, 3, nil),
			}
			c.Sentinels[1].Flags, c.Sentinels[1].Awaits = "s_down,master,failover_in_progress", true
			tc.edit(&c)
			if d := Decide(c); d.Rule != tc.rule || strings.Contains(d.Reason, hint) != tc.says {
				t.Errorf("%s: %s; want %s, and the sentinel to restart: %v", d.Rule, d.Reason, tc.rule, tc.says)
			}
		})
	}
}
