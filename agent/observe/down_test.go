package observe

import (
	"testing"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
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
