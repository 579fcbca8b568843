package fleettest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// stopAgents ends the agents of n nodes and the coordinator, as a kill would:
// nothing that they started ends with them.
func (f *Fleet) stopDaemons(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 1; i <= n; i++ {
		if d := f.running[fmt.Sprintf("agent-%d", i)]; d != nil {
			_ = d.Stop()
		}
	}
	if d := f.running["coordinator-1"]; d != nil {
		_ = d.Stop()
	}
}

// TestFailStatic is the promise fail-static: the daemons come and go, and no
// Redis notices.
func TestFailStatic(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, calm)
	master := index(t, f.WaitServing(servingIn).Master.Node)
	client := f.Redis(master)
	if err := client.Set(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	id := clientID(t, client)
	before := pids(t, f, 3)
	f.stopDaemons(3)
	if a, err := f.Assessment(t.Context()); err != nil || a.Master == nil {
		t.Errorf("without any daemon the verdict shows no master: %+v, %v", a, err)
	}
	was := boots(t, f)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	f.StartCoordinator(1, nil)
	reportAnew(t, f, was)
	f.WaitServing(servingIn)
	if d := cmp.Diff(before, pids(t, f, 3)); d != "" {
		t.Errorf("processes changed (-before +after):\n%s", d)
	}
	if now := clientID(t, client); now != id {
		t.Errorf("the client's connection broke: id %s, was %s", now, id)
	}
}

// clientID is the server's number of this very connection.
func clientID(t *testing.T, c *redis.Server) string {
	t.Helper()
	id, err := c.ClientID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestStateSurvivesTheAgent is the promise sentinel-state-kept: after a failover
// and a restart of the agents both files still hold what Redis and Sentinel
// wrote there.
func TestStateSurvivesTheAgent(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, nil)
	old := index(t, f.WaitServing(servingIn).Master.Node)
	kill(t, f, old, fleet.KindRedis)
	master := waitMaster(t, f, old)
	before := confs(t, f)
	f.stopDaemons(3)
	was := boots(t, f)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	f.StartCoordinator(1, nil)
	reportAnew(t, f, was)
	f.WaitServing(servingIn)
	running := pids(t, f, 3)
	kill(t, f, master%3+1, fleet.KindSentinel) // started again from its own file
	eventually(t, servingIn, "the sentinel runs again", func() bool {
		now := pids(t, f, 3)
		return changed(running, now) == 1 && len(now) == len(running)
	})
	f.WaitServing(failoverIn)
	after := confs(t, f)
	for path, lines := range before {
		for _, line := range strings.Split(lines, "\n") {
			// Epochs grow and lists are written in any order; no line may vanish.
			if strings.HasPrefix(line, "sentinel current-epoch") {
				continue
			}
			if !strings.Contains(after[path], line) {
				t.Errorf("%s lost the line %q", path, redact(line))
			}
		}
	}
	want := fmt.Sprintf("sentinel monitor main %s 6379", f.Host(master))
	for path, text := range after {
		if strings.HasSuffix(path, "sentinel.conf") && !strings.Contains(text, want) {
			t.Errorf("%s does not hold %q", path, want)
		}
	}
}

func redact(line string) string { return strings.SplitN(line, " ", 2)[0] + " …" }

// confs reads what Redis and Sentinel keep on disk, but for comments.
func confs(t *testing.T, f *Fleet) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(f.Dir, "n*", "data", "*", "*.conf"))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = string(b)
	}
	if len(out) != 6 {
		t.Fatalf("found %d files, want 6", len(out))
	}
	return out
}

// TestPowerLoss ends everything at once and starts it again. The right node must be master with the data that was on its disk.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for name, withConsul := range map[string]bool{"with a coordinator": true, "with the agents alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := bring(t, 3, calm) // the sentinels are young, and vouch for the master, for as long as its agent takes to come up
			master := index(t, f.WaitServing(servingIn).Master.Node)
			if err := f.Redis(master).Set(t.Context(), "kept", "yes"); err != nil {
				t.Fatal(err)
			}
			onDisk(t, f, master)
			f.stopDaemons(3)
			f.killAll()
			before := boots(t, f)
			for i := range 3 {
				f.StartAgent(i+1, nil)
			}
			if withConsul {
				f.StartCoordinator(1, nil)
			}
			reportAnew(t, f, before)
			a := f.WaitServing(failoverIn)
			if got, _, err := f.Redis(index(t, a.Master.Node)).Get(t.Context(), "kept"); err != nil || got != "yes" {
				t.Errorf("after the power loss the master %s shows %q, %v", a.Master.Node, got, err)
			}
			if index(t, a.Master.Node) != master {
				t.Errorf("the master moved from n%d to %s", master, a.Master.Node)
			}
			checkReplication(t, f, 3)
		})
	}
}

// TestEmptyGroupAfterAFullStop: a group without a key has append-only files that
// are not empty, since redfleet's own probe was set and deleted. Whoever Sentinel
// makes master after a full stop, data-wins must not hold the old one for good.
func TestEmptyGroupAfterAFullStop(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, nil)
	old := index(t, f.WaitServing(servingIn).Master.Node)
	eventually(t, servingIn, "the agents know that their files hold nothing", func() bool {
		known := 0
		for i := 1; i <= 3; i++ {
			b, _ := os.ReadFile(filepath.Join(f.AgentConfig(i).StateDir, "instances", "redis-main-6379.json"))
			if strings.Contains(string(b), "empty_mark") {
				known++
			}
		}
		return known == 3
	})
	f.stopDaemons(3)
	f.killAll()
	for i := 1; i <= 3; i++ { // the old master comes last, after a failover among the others
		if i != old {
			f.StartAgent(i, nil)
		}
	}
	f.WaitFor(failoverIn, "another master", func(a fleet.Assessment) bool {
		return a.Master != nil && index(t, a.Master.Node) != old
	})
	f.StartAgent(old, nil)
	f.StartCoordinator(1, nil)
	waitMaster(t, f, old)
}

// TestFilesOfAServerWithoutAOF: append-only files that a server with AOF off has
// left behind hold what they held, however empty the server itself is.
func TestFilesOfAServerWithoutAOF(t *testing.T) {
	t.Parallel()
	f := bring(t, 1, func(g *fleet.GroupSpec) { g.Topology, g.Sentinel = fleet.Replication, fleet.SentinelSpec{} })
	f.WaitServing(servingIn)
	memory := func() (m converge.Memory) {
		b, err := os.ReadFile(filepath.Join(f.AgentConfig(1).StateDir, "instances", "redis-main-6379.json"))
		if err != nil || json.Unmarshal(b, &m) != nil {
			return converge.Memory{HadData: true}
		}
		return m
	}
	eventually(t, servingIn, "the empty server's files are known to be empty", func() bool { return memory().EmptyMark != "" })
	cli(t, f, 1, 6379, "SET kept yes")
	eventually(t, servingIn, "the agent has seen the data", func() bool { return memory().HadData })
	before := memory().EmptyMark
	cli(t, f, 1, 6379, "CONFIG SET appendonly no", "FLUSHALL")
	eventually(t, servingIn, "the agent has seen it empty", func() bool { return !memory().HadData })
	if now := memory().EmptyMark; now != before {
		t.Errorf("files with a key are marked as empty: %q, before the key %q", now, before)
	}
}

// boots tells which run of each agent wrote its report.
func boots(t *testing.T, f *Fleet) map[string]string {
	t.Helper()
	w, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for node, r := range w.Reports {
		out[node] = r.Report.Boot
	}
	return out
}

// reportAnew waits until the next run of each agent reports: before that an assessment
// rests on what the one before it said.
func reportAnew(t *testing.T, f *Fleet, before map[string]string) {
	t.Helper()
	eventually(t, servingIn, "every agent reports again", func() bool {
		now := boots(t, f)
		return now["n1"] != before["n1"] && now["n2"] != before["n2"] && now["n3"] != before["n3"]
	})
}

// TestNoEmptyMaster is the promise no-empty-master: a master whose folder was
// wiped while it was down does not serve while a replica holds the data.
func TestNoEmptyMaster(t *testing.T) {
	t.Parallel()
	for _, topology := range []fleet.Topology{fleet.Sentinel, fleet.Replication} {
		t.Run(string(topology), func(t *testing.T) {
			t.Parallel()
			f := bring(t, 3, func(g *fleet.GroupSpec) {
				if g.Topology = topology; topology == fleet.Replication {
					g.Sentinel = fleet.SentinelSpec{}
				}
			})
			master := index(t, f.WaitServing(servingIn).Master.Node)
			if err := f.Redis(master).Set(t.Context(), "kept", "yes"); err != nil {
				t.Fatal(err)
			}
			eventually(t, servingIn, "the agent has seen the data", func() bool {
				b, _ := os.ReadFile(filepath.Join(f.AgentConfig(master).StateDir, "instances", "redis-main-6379.json"))
				return strings.Contains(string(b), `"had_data": true`)
			})
			// Replication is asynchronous: a master that dies at once may take the write along.
			eventually(t, servingIn, "every replica has the data", func() bool {
				for i := 1; i <= 3; i++ {
					if got, _, err := f.Redis(i).Get(t.Context(), "kept"); err != nil || got != "yes" {
						return false
					}
				}
				return true
			})
			wipe(t, f, master)
			replica := master%3 + 1
			if topology == fleet.Sentinel {
				now := waitMaster(t, f, master)
				if got, _, err := f.Redis(now).Get(t.Context(), "kept"); err != nil || got != "yes" {
					t.Errorf("the new master shows %q, %v", got, err)
				}
				return
			}
			a := f.WaitFor(failoverIn, "the wiped master is held, and says why", func(a fleet.Assessment) bool {
				w, err := f.World(t.Context())
				if err != nil {
					return false
				}
				rep := w.Reports[fmt.Sprintf("n%d", master)].Report
				i := rep.Instance("redis-main-6379")
				return a.State != fleet.GroupServing && i != nil && strings.Contains(i.Reason, "its data is gone")
			})
			if got, _, err := f.Redis(replica).Get(t.Context(), "kept"); err != nil || got != "yes" {
				t.Errorf("the replica shows %q, %v (state %s)", got, err, a.State)
			}
		})
	}
}

// TestLostFolder: an instance whose folder is lost while the agent still knows
// that it ran comes back by itself: a replica finds its master, also where no
// sentinel names it, and a sentinel learns the master from its peers.
func TestLostFolder(t *testing.T) {
	t.Parallel()
	for id, topology := range map[fleet.InstanceID]fleet.Topology{
		"redis-main-6379": fleet.Replication, "sentinel-main-26379": fleet.Sentinel,
	} {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			f := bring(t, 3, func(g *fleet.GroupSpec) {
				if g.Topology = topology; topology == fleet.Replication {
					g.Sentinel = fleet.SentinelSpec{}
				}
			})
			node := index(t, f.WaitServing(servingIn).Master.Node)%3 + 1
			before := pids(t, f, 3)
			wipeInstance(t, f, node, id)
			eventually(t, servingIn, "the instance runs again", func() bool {
				st, err := f.Units(node).Status(t.Context(), id)
				return err == nil && st.State == fleet.UnitActive
			})
			f.WaitServing(failoverIn)
			if n := changed(before, pids(t, f, 3)); n != 1 {
				t.Errorf("%d instances were started again, want the lost one alone", n)
			}
		})
	}
}

// wipe is wipeInstance for the node's server.
func wipe(t *testing.T, f *Fleet, i int) {
	t.Helper()
	wipeInstance(t, f, i, "redis-main-6379")
}

// wipeInstance stops the daemon and an instance of a node, removes the
// instance's folder and starts the daemon again.
func wipeInstance(t *testing.T, f *Fleet, i int, id fleet.InstanceID) {
	t.Helper()
	f.mu.Lock()
	d := f.running[fmt.Sprintf("agent-%d", i)]
	f.mu.Unlock()
	_ = d.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Units(i).Kill(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(apply.Dir(f.AgentConfig(i).DataDir, id)); err != nil {
		t.Fatal(err)
	}
	f.StartAgent(i, nil)
}
