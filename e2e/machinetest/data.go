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

// unsynced is how many of the last acknowledged writes a master may take with it
// that loses its power: replication is asynchronous.
const unsynced = 20

// server is a client of the node's own server.
func (f *Fleet) server(n *machine.Node, password string) *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: fmt.Sprintf("%s:%d", n.Address, RedisPort), Password: password,
		Dialer: f.Lab.Dial, DialTimeout: time.Second, MaxRetries: -1})
}

// Whole asks each server itself, as an operator does with redis-cli: one is the
// master, every other one is its replica, in sync, and all have one lineage.
func (f *Fleet) Whole(ctx context.Context, t testing.TB) {
	t.Helper()
	password := f.Password(ctx, t)
	if why := poll(ctx, ServingLimit, func() string { return f.objection(ctx, password) }); why != "" {
		t.Errorf("the group is not whole: %s", why)
	}
}

// objection says why the servers are not one group; empty where they are.
func (f *Fleet) objection(ctx context.Context, password string) string {
	var masters, lineages []string
	following := map[string]string{}
	for _, n := range f.Nodes {
		role, lineage, err := f.role(ctx, n, password)
		switch {
		case err != nil:
			return fmt.Sprintf("%s: %v", n.Name, err)
		case role[0] == "master":
			masters = append(masters, n.Address.String())
		case len(role) < 4 || role[3] != "connected":
			return fmt.Sprintf("%s has no link to its master: %v", n.Name, role)
		default:
			following[n.Name] = role[1]
		}
		if len(lineages) == 0 || lineages[0] != lineage {
			lineages = append(lineages, lineage)
		}
	}
	if len(masters) != 1 || len(lineages) != 1 {
		return fmt.Sprintf("there are %d masters (%s) and %d lineages", len(masters), strings.Join(masters, ", "), len(lineages))
	}
	for name, master := range following {
		if master != masters[0] {
			return fmt.Sprintf("%s follows %s, and the master is %s", name, master, masters[0])
		}
	}
	return ""
}

// role is the answer to ROLE as words, and the replication id.
func (f *Fleet) role(ctx context.Context, n *machine.Node, password string) (words []string, lineage string, err error) {
	server := f.server(n, password)
	defer func() { _ = server.Close() }()
	reply, err := server.Do(ctx, "ROLE").Slice()
	if err != nil {
		return nil, "", err
	}
	for _, word := range reply {
		words = append(words, fmt.Sprint(word))
	}
	text, err := server.Info(ctx, "replication").Result()
	if err != nil {
		return nil, "", err
	}
	_, rest, _ := strings.Cut(text, "master_replid:")
	lineage, _, _ = strings.Cut(rest, "\r\n")
	return words, lineage, nil
}

// Engine is what the node's server says that it is, and its own version: Valkey
// names a version of Redis besides (hazard E1).
func (f *Fleet) Engine(ctx context.Context, t testing.TB, n *machine.Node) (name, version string) {
	t.Helper()
	server := f.server(n, f.Password(ctx, t))
	defer func() { _ = server.Close() }()
	text, err := server.Info(ctx, "server").Result()
	check(t, err)
	fields := map[string]string{}
	for line := range strings.SplitSeq(text, "\r\n") {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = value
	}
	if version, ok := fields["valkey_version"]; ok {
		return "valkey", version
	}
	return "redis", fields["redis_version"]
}

// keepsLimit is how long a replica may lag behind until what it lacks counts as lost.
const keepsLimit = 15 * time.Second

// Keeps fails the test for acknowledged writes that one of the servers does not
// get. Of those with numbers above safe a few may be gone, which the master had not
// replicated when it died.
func (f *Fleet) Keeps(ctx context.Context, t testing.TB, w Writes, safe int) {
	t.Helper()
	password := f.Password(ctx, t)
	for _, n := range f.Nodes {
		if why := poll(ctx, keepsLimit, func() string { return f.lacks(ctx, n, password, w, safe) }); why != "" {
			t.Error(why)
		}
	}
}

// lacks says which acknowledged writes the node's server does not have; empty where
// they are none, or few enough and late enough.
func (f *Fleet) lacks(ctx context.Context, n *machine.Node, password string, w Writes, safe int) string {
	lost, err := f.lost(ctx, n, password, w)
	switch {
	case err != nil:
		return fmt.Sprintf("looking for %d writes on %s: %v", len(w.Acknowledged), n.Name, err)
	case len(lost) > unsynced, len(lost) > 0 && lost[0] <= safe:
		return fmt.Sprintf("%s has lost %d of %d acknowledged writes, from number %d on", n.Name, len(lost), len(w.Acknowledged), lost[0])
	}
	return ""
}

// lost are the numbers of acknowledged writes that the node's server does not have.
func (f *Fleet) lost(ctx context.Context, n *machine.Node, password string, w Writes) ([]int, error) {
	server := f.server(n, password)
	defer func() { _ = server.Close() }()
	replies := make([]*goredis.IntCmd, len(w.Acknowledged))
	_, err := server.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, number := range w.Acknowledged {
			replies[i] = p.Exists(ctx, key(number))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var lost []int
	for i, reply := range replies {
		if reply.Val() == 0 {
			lost = append(lost, w.Acknowledged[i])
		}
	}
	return lost, nil
}
