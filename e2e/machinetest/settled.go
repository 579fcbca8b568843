package machinetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Settled waits until the group is whole, all of its sentinels name its master and
// none is failing over, and returns the master. The sentinel that led a failover is
// the last to be done with it, up to failover_timeout later. Seen on Redis 7.0.15:
// when the new master goes down before that, and another sentinel leads the next
// failover, the first one takes over the new epoch and ends on the old address; it
// then names another master than its peers under the same epoch, for good.
//
// It asks the servers and sentinels themselves and nobody else, for when Consul or
// the agents are down; so the caller brings the password.
func (f *Fleet) Settled(ctx context.Context, t testing.TB, password string) *machine.Node {
	t.Helper()
	var master *machine.Node
	if why := poll(ctx, ServingLimit, func() (why string) {
		master, why = f.settled(ctx, password)
		return why
	}); why != "" {
		t.Fatalf("the group has not settled within %s: %s", ServingLimit, why)
	}
	return master
}

func (f *Fleet) settled(ctx context.Context, password string) (*machine.Node, string) {
	if why := f.objection(ctx, password); why != "" {
		return nil, why
	}
	var master *machine.Node
	for _, n := range f.Nodes {
		role, _, err := f.role(ctx, n, password)
		if err == nil && role[0] == "master" {
			master = n
		}
	}
	if master == nil {
		return nil, "the master has gone again"
	}
	for _, n := range f.coordinators() {
		named, err := f.named(ctx, n, password)
		if err != nil || named != master.Address.String() {
			return nil, fmt.Sprintf("the sentinel of %s names %s as the master, which is %s (%v)", n.Name, named, master.Address, err)
		}
	}
	return master, ""
}

// named is the master that the node's sentinel names, or what it does instead.
func (f *Fleet) named(ctx context.Context, n *machine.Node, password string) (string, error) {
	s := goredis.NewSentinelClient(&goredis.Options{Addr: fmt.Sprintf("%s:%d", n.Address, SentinelPort), Password: password,
		Dialer: f.Lab.Dial, DialTimeout: time.Second, MaxRetries: -1})
	defer func() { _ = s.Close() }()
	master, err := s.Master(ctx, GroupName).Result()
	if err != nil {
		return "", err
	}
	if strings.Contains(master["flags"], "failover_in_progress") {
		return "failing over", nil
	}
	return master["ip"], nil
}
