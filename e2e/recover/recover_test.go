//go:build e2e

package recover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestRecover: all of Consul's servers lose their data for good while a client writes,
// with no ACLs and no snapshot. One command brings the records back: nothing is
// restarted, no write fails, and verify holds.
func TestRecover(t *testing.T) {
	t.Parallel()
	ctx := machinetest.Context(t, 4*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{})
	f.BringUp(ctx, t)
	n, watched := f.Nodes[0], watch(ctx, t, f)
	epoch := epochOf(ctx, t, n)

	lose(ctx, t, f, nil)
	began := time.Now()
	shown := recoverFleet(ctx, t, n)
	told(ctx, t, f, shown)
	f.WaitServing(ctx, t)
	fmt.Printf("e2e recover acl=no verified_s=%.1f\n", time.Since(began).Seconds())
	if now := epochOf(ctx, t, n); now != epoch {
		t.Errorf("the committed epoch was %d and is %d: goals were written anew", epoch, now)
	}
	watched.undisturbed(ctx, t)
}

// TestRecoverWithACLs goes by docs/operations.md, "Consul is down, or was lost", on a
// Consul that denies by default. First it is restored from a snapshot of the time when
// the group formed, then all its servers lose their data, and its tokens with it. At
// the end the master's machine loses its power and returns.
func TestRecoverWithACLs(t *testing.T) {
	t.Parallel()
	ctx := machinetest.Context(t, 6*time.Minute)
	s := newSite(ctx, t)
	s.Apply(ctx, t, s.Spec(""))
	old := snapshotWhenFirstCommitted(ctx, t, s.first)
	s.WaitServing(ctx, t)
	watched := watch(ctx, t, s.Fleet)

	t.Run("an old snapshot is restored", func(t *testing.T) { s.restored(ctx, t, old) })
	t.Run("all is lost", func(t *testing.T) { s.lost(ctx, t) })
	watched.undisturbed(ctx, t)
	if !t.Failed() {
		s.FailOver(ctx, t)
	}
}

// restored: the goals in Consul are older than those that the agents follow. None goes
// back to them; the coordinator goes on above the highest epoch.
func (s *site) restored(ctx context.Context, t *testing.T, old uint64) {
	epoch := epochOf(ctx, t, s.first)
	if epoch <= old {
		t.Fatalf("the snapshot has epoch %d and Consul %d: it is not old", old, epoch)
	}
	began := time.Now()
	machinetest.Run(ctx, t, s.first, "consul", "snapshot", "restore", "-token-file", managementFile, snapshotFile)
	var now uint64
	machinetest.Eventually(ctx, t, time.Minute, "the coordinator has overtaken the snapshot", func() bool {
		now, _ = committed(ctx, s.first)
		return now > epoch
	})
	t.Logf("epoch %d of the snapshot, %d before it was restored, %d after %.1f s", old, epoch, now, time.Since(began).Seconds())
	s.WaitServing(ctx, t)
	t.Logf("verified %.1f s after the snapshot was restored", time.Since(began).Seconds())
}

// lost: Consul is set up anew, with another management token, and the fleet's records
// come back by the recipe of docs/operations.md.
func (s *site) lost(ctx context.Context, t *testing.T) {
	epoch := epochOf(ctx, t, s.first)
	const management = "66666666-7777-8888-9999-000000000000"
	lose(ctx, t, s.Fleet, map[string]string{aclFile: denying(management)})
	began := time.Now()
	s.put(ctx, t, s.first, managementFile, management)
	machinetest.Run(ctx, t, s.first, "mv", folder+"/tokens", folder+"/tokens.old")
	s.init(ctx, t)
	coordinator := s.read(ctx, t, "tokens/coordinator.token")
	for _, n := range s.Nodes {
		s.put(ctx, t, n, "/etc/redfleet/consul.token", s.read(ctx, t, "tokens/agent-"+n.Name+".token"))
		s.put(ctx, t, n, "/etc/redfleet/coordinator.token", coordinator)
	}
	s.Each(t, s.Nodes, func(n *machine.Node) error {
		return do(ctx, n, "systemctl", "restart", "redfleet-agent", "redfleet-coordinator")
	})
	shown := recoverFleet(ctx, t, s.first, "--token-file", folder+"/tokens/recovery.token")
	told(ctx, t, s.Fleet, shown)
	s.WaitServing(ctx, t)
	fmt.Printf("e2e recover acl=yes verified_s=%.1f\n", time.Since(began).Seconds())
	if now := epochOf(ctx, t, s.first); now != epoch {
		t.Errorf("the committed epoch was %d and is %d: goals were written anew", epoch, now)
	}
	r := s.Redfleet(ctx, t, s.first, "apply", "/root/fleet.toml")
	if r.Code != 0 || !strings.Contains(r.Stdout, "nothing to change") {
		t.Errorf("the spec that was applied before is another one than was rebuilt: exit status %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

func epochOf(ctx context.Context, t *testing.T, n *machine.Node) uint64 {
	t.Helper()
	epoch, err := committed(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

// told: what an operator sees before the answer names each node, the group and its
// master as it is now, and what would be written.
func told(ctx context.Context, t *testing.T, f *machinetest.Fleet, shown string) {
	t.Helper()
	master := f.Settled(ctx, t, f.Password(ctx, t))
	wants := []string{machinetest.GroupName, fmt.Sprintf("%s %s:%d", master.Name, master.Address, machinetest.RedisPort),
		fleet.KeysOf(machinetest.FleetName).Control()}
	for _, n := range f.Nodes {
		wants = append(wants, n.Name, fleet.KeysOf(machinetest.FleetName).Goal(n.Name))
	}
	for _, want := range wants {
		if !strings.Contains(shown, want) {
			t.Errorf("what recover shows does not have %q:\n%s", want, shown)
		}
	}
	t.Logf("redfleet recover shows:\n%s", shown)
}

// watchedRun is a client that writes, and the processes as they were.
type watchedRun struct {
	f      *machinetest.Fleet
	writer *machinetest.Writer
	runs   map[string]machinetest.Instance
}

func watch(ctx context.Context, t *testing.T, f *machinetest.Fleet) watchedRun {
	t.Helper()
	return watchedRun{f, f.StartWriter(ctx, t), f.Runs(ctx, t)}
}

// undisturbed: since watch no write failed or was lost, and no instance was restarted
// (promise fail-static).
func (w watchedRun) undisturbed(ctx context.Context, t *testing.T) {
	t.Helper()
	writes := w.writer.Stop()
	writes.NoError(t)
	if len(writes.Acknowledged) > 0 {
		w.f.Keeps(ctx, t, writes, w.writer.Last())
	}
	t.Logf("%d writes acknowledged, %d failed, the longest time without one %.2f s", len(writes.Acknowledged), len(writes.Failed), writes.Gap.Seconds())
	machinetest.SameRuns(t, w.runs, w.f.Runs(ctx, t))
}
