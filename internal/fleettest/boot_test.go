package fleettest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/fleet"
)

// The instances of node n<i>, as its systemd would start them.
const (
	redisID    fleet.InstanceID = "redis-main-6379"
	sentinelID fleet.InstanceID = "sentinel-main-26379"
)

// fenceOn runs the boot fence of node n<i>'s server.
func fenceOn(t *testing.T, f *Fleet, i int, wait time.Duration) (boot.Start, error) {
	t.Helper()
	return boot.Fence(t.Context(), boot.Options{
		Config: f.AgentConfig(i), Instance: redisID, Wait: wait,
		Tell: func(h boot.Held) { f.Logger(fmt.Sprintf("fence n%d", i)).Info(h.Error()) },
	})
}

// startUnit starts an instance as its unit would, without any agent.
func startUnit(t *testing.T, f *Fleet, i int, id fleet.InstanceID, args ...string) {
	t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	dir := apply.Dir(f.AgentConfig(i).DataDir, id)
	conf := "redis.conf"
	if id == sentinelID {
		conf, args = "sentinel.conf", []string{"--sentinel"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = f.Units(i).Start(ctx, fleet.Unit{
		Name: id, Dir: dir, Log: filepath.Join(dir, "boot.log"), Argv: append([]string{server, filepath.Join(dir, conf)}, args...),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// darken ends the agents, the coordinator and everything that they started, and
// leaves the files: a power loss, after which only systemd is there.
func darken(t *testing.T, f *Fleet) {
	t.Helper()
	f.stopDaemons(3)
	f.killAll()
}

// dark is a group that served, of which only files are left, and its master.
func dark(t *testing.T, downAfter time.Duration) (f *Fleet, master int) {
	t.Helper()
	f = bring(t, 3, func(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(downAfter) })
	master = index(t, f.WaitServing(servingIn).Master.Node)
	if err := f.Redis(master).Set(t.Context(), "kept", "yes"); err != nil {
		t.Fatal(err)
	}
	eventually(t, servingIn, "every agent has seen the data", func() bool {
		for i := 1; i <= 3; i++ {
			b, _ := os.ReadFile(memoryFile(f, i))
			if !strings.Contains(string(b), `"had_data": true`) || !strings.Contains(string(b), `"served": true`) {
				return false
			}
		}
		return true
	})
	for i := 1; i <= 3; i++ {
		onDisk(t, f, i)
	}
	darken(t, f)
	return f, master
}

// onDisk waits until what the server of node n<i> holds is in its append-only file,
// where the end of its process leaves it: the file's first rewrite, after the first
// sync, can come late, and a disk that is slow to sync keeps writes waiting for 2 s.
func onDisk(t *testing.T, f *Fleet, i int) {
	t.Helper()
	eventually(t, servingIn, fmt.Sprintf("the data of n%d is in its append-only file", i), func() bool {
		info := cli(t, f, i, redisPort, "INFO persistence")
		return holds(info, "aof_enabled:1\r\n", "aof_rewrite_in_progress:0\r\n", "aof_rewrite_scheduled:0\r\n", "aof_last_bgrewrite_status:ok\r\n", "aof_buffer_length:0\r\n")
	})
}

func memoryFile(f *Fleet, i int) string {
	return filepath.Join(f.AgentConfig(i).StateDir, "instances", string(redisID)+".json")
}

func confFile(f *Fleet, i int) string {
	return filepath.Join(folder(f, i, fleet.KindRedis), "redis.conf")
}

// addrOf is the server of node n<i>.
func addrOf(f *Fleet, i int) fleet.Addr { return fleet.Addr{Host: f.Host(i), Port: redisPort} }

// heldBy checks that a fence refused by a rule.
func heldBy(t *testing.T, err error, rules ...string) {
	t.Helper()
	var held *boot.Held
	if !errors.As(err, &held) || !slices.Contains(rules, held.Rule) || held.Reason == "" {
		t.Fatalf("the fence gave %v, want it to hold the server by the rule %s", err, strings.Join(rules, " or "))
	}
}

// heldSoon is heldBy for a fence that asks once, again and again: others that started
// just now are not there yet, and one that a busy machine makes late by 0.4 s counts as
// silent, for which the server is held by another rule. Never may it start meanwhile.
func heldSoon(t *testing.T, f *Fleet, i int, rules ...string) {
	t.Helper()
	var held *boot.Held
	eventually(t, servingIn, fmt.Sprintf("n%d is held by the rule %s", i, strings.Join(rules, " or ")), func() bool {
		start, err := fenceOn(t, f, i, 0)
		if !errors.As(err, &held) || held.Reason == "" {
			t.Fatalf("the fence gave %v, %v, want it to hold the server by the rule %s", start, err, strings.Join(rules, " or "))
		}
		return slices.Contains(rules, held.Rule)
	})
}

// startsAs checks that a fence let the server start in a role, by one of these
// rules; zero is the master.
func startsAs(t *testing.T, start boot.Start, err error, follow fleet.Addr, rules ...string) {
	t.Helper()
	if err != nil || start.Follow != follow || !slices.Contains(rules, start.Rule) {
		t.Fatalf("the fence gave %v, %v; want a start following %q by the rule %s", start, err, follow, strings.Join(rules, " or "))
	}
}

// whole waits until the servers that run have the data, one master and the
// others linked to it.
func whole(t *testing.T, f *Fleet, master int, replicas ...int) {
	t.Helper()
	for _, i := range append([]int{master}, replicas...) {
		r := f.Redis(i)
		eventually(t, failoverIn, fmt.Sprintf("n%d shows the data in its role", i), func() bool {
			got, _, err := r.Get(t.Context(), "kept")
			info, errInfo := r.Observe(t.Context())
			if errors.Join(err, errInfo) != nil || got != "yes" {
				return false
			}
			if i == master {
				return info.Role == fleet.RoleMaster
			}
			return info.Role == fleet.RoleReplica && info.LinkUp && info.Master == addrOf(f, master)
		})
	}
}

// TestBootAfterPowerLoss: all nodes come back at once, with neither agent nor
// Consul. The old master serves its data again at once, and no failover happens.
func TestBootAfterPowerLoss(t *testing.T) {
	t.Parallel()
	f, master := dark(t, 30*time.Second)
	type result struct {
		node  int
		start boot.Start
		err   error
	}
	results := make(chan result)
	began := time.Now()
	for i := 1; i <= 3; i++ {
		startUnit(t, f, i, sentinelID)
		go func() {
			start, err := fenceOn(t, f, i, 20*time.Second)
			results <- result{i, start, err}
		}()
	}
	for range 3 {
		r := <-results
		t.Logf("n%d after %v: %v", r.node, time.Since(began).Round(time.Millisecond), r.start)
		want, rules := addrOf(f, master), []string{"follow", "as-it-was"} // sentinels may come later
		if r.node == master {
			want, rules = fleet.Addr{}, []string{"young-sentinels"}
		}
		startsAs(t, r.start, r.err, want, rules...)
		startUnit(t, f, r.node, redisID)
	}
	whole(t, f, master, others(master)...)
}
