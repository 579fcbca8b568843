//go:build e2e

package adopt

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

const (
	server, sentinel = "redis-server.service", "redis-sentinel.service"
	password         = "handmade-Secret.1"
	masterName       = "mymaster"
)

// sentinelConf is as articles write it: no password on the sentinel itself.
const sentinelConf = `bind 0.0.0.0
port 26379
protected-mode no
daemonize yes
pidfile /run/sentinel/redis-sentinel.pid
logfile /var/log/redis/redis-sentinel.log
dir /var/lib/redis
sentinel monitor mymaster %s 6379 2
sentinel auth-pass mymaster %s
sentinel down-after-milliseconds mymaster 4000
sentinel failover-timeout mymaster 30000
sentinel parallel-syncs mymaster 1
`

// byHand makes the group with the distribution's packages: the first machine is the
// master. It holds keys before redfleet comes.
func byHand(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	master := f.Nodes[0]
	for _, n := range f.Nodes {
		lines := fmt.Sprintf("\nbind 0.0.0.0\nrequirepass %s\nmasterauth %s\nmaxmemory 100mb\n", password, password)
		if n != master {
			lines += "replicaof " + master.Address.String() + " 6379\n"
		}
		write(ctx, t, n, "/etc/redis/extra", lines)
		write(ctx, t, n, "/etc/redis/sentinel.conf", fmt.Sprintf(sentinelConf, master.Address, password))
		machinetest.Run(ctx, t, n, "/bin/sh", "-c",
			"cat /etc/redis/extra >>/etc/redis/redis.conf && rm /etc/redis/extra && chown redis:redis /etc/redis/*.conf && chmod 640 /etc/redis/*.conf")
		machinetest.Run(ctx, t, n, "systemctl", "enable", "--quiet", "--now", server)
	}
	for _, n := range f.Nodes {
		machinetest.Run(ctx, t, n, "systemctl", "enable", "--quiet", "--now", sentinel)
	}
	conn := dial(t, f, master, 6379)
	for i := range keys {
		if err := conn.Set(ctx, fmt.Sprintf("theirs:%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	machinetest.Eventually(ctx, t, time.Minute, "the group built by hand is whole", func() bool {
		for _, n := range f.Nodes {
			r, err := n.Run(ctx, "redis-cli", "-p", "26379", "SENTINEL", "CKQUORUM", masterName)
			if err != nil || r.Stdout == "" || r.Stdout[:2] != "OK" || len(replicasOf(ctx, n)) != 2 {
				return false
			}
		}
		return count(ctx, f, t, f.Nodes[1]) == keys && count(ctx, f, t, f.Nodes[2]) == keys
	})
}

const keys = 500

// replicasOf are the addresses of the replicas that a machine's sentinel lists.
func replicasOf(ctx context.Context, n *machine.Node) []string {
	r, err := n.Run(ctx, "/bin/sh", "-c", "redis-cli -p 26379 SENTINEL REPLICAS "+masterName+" | grep -A1 '^ip$' | grep -v -e '^ip$' -e '^--$'")
	if err != nil {
		return nil
	}
	var out []string
	for line := range lines(r.Stdout) {
		out = append(out, line)
	}
	return out
}

// count is how many keys a machine's server holds; -1 where it does not answer.
func count(ctx context.Context, f *machinetest.Fleet, t *testing.T, n *machine.Node) int64 {
	t.Helper()
	c := client(f, n, 6379)
	defer func() { _ = c.Close() }()
	size, err := c.DBSize(ctx).Result()
	if err != nil {
		return -1
	}
	return size
}

func client(f *machinetest.Fleet, n *machine.Node, port int) *goredis.Client {
	o := &goredis.Options{Addr: fmt.Sprintf("%s:%d", n.Address, port), Dialer: f.Lab.Dial, PoolSize: 1, MaxRetries: -1,
		DialTimeout: time.Second, ReadTimeout: 2 * time.Second, WriteTimeout: time.Second}
	if port == 6379 {
		o.Password = password
	}
	return goredis.NewClient(o)
}

// dial gives one connection, which is never made anew.
func dial(t *testing.T, f *machinetest.Fleet, n *machine.Node, port int) *goredis.Conn {
	t.Helper()
	c := client(f, n, port)
	conn := c.Conn()
	t.Cleanup(func() { _ = conn.Close(); _ = c.Close() })
	return conn
}

func write(ctx context.Context, t *testing.T, n *machine.Node, path, text string) {
	t.Helper()
	if err := n.PutFile(ctx, path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// explain shows what the distribution's units said, when something went wrong.
func explain(t *testing.T, f *machinetest.Fleet) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, n := range f.Nodes {
		r, err := n.Run(ctx, "journalctl", "--no-pager", "--quiet", "--lines=30", "--unit="+server, "--unit="+sentinel)
		t.Logf("the distribution's units on %s: %v\n%s", n.Name, err, r.Stdout)
	}
}
