package fleettest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
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

// bootNode is what the systemd of node n<i> does at boot with the agent gone: the
// sentinel starts at once, the server after its fence.
func bootNode(t *testing.T, f *Fleet, i int, wait time.Duration) (boot.Start, error) {
	t.Helper()
	startUnit(t, f, i, sentinelID)
	start, err := fenceOn(t, f, i, wait)
	if err == nil {
		startUnit(t, f, i, redisID)
	}
	return start, err
}

// darken ends the agents, the coordinator and everything that they started, and
// leaves the files: a power loss, after which only systemd is there.
func darken(t *testing.T, f *Fleet) {
	t.Helper()
	f.stopDaemons(3)
	f.killAll()
}

// TestBootAfterPowerLoss: all nodes come back at once, with neither agent nor
// Consul. The old master serves its data again, nobody waits for long, and no
// failover happens.
func TestBootAfterPowerLoss(t *testing.T) {
	t.Parallel()
	f := bring(t, 3, func(g *fleet.GroupSpec) { g.Sentinel.DownAfter = fleet.Duration(5 * time.Second) })
	master := index(t, f.WaitServing(servingIn).Master.Node)
	password := f.Redis(master)
	if err := password.Set(t.Context(), "kept", "yes"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // appendfsync everysec: what is on disk is the promise
	darken(t, f)
	starts := make([]boot.Start, 4)
	errs := make([]error, 4)
	done := make(chan int)
	began := time.Now()
	for i := 1; i <= 3; i++ {
		go func() {
			starts[i], errs[i] = bootNode(t, f, i, 20*time.Second)
			done <- i
		}()
	}
	for range 3 {
		i := <-done
		t.Logf("n%d after %v: %v %v", i, time.Since(began).Round(time.Millisecond), starts[i], errs[i])
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		want := fleet.Addr{Host: f.Host(master), Port: redisPort}
		if i == master {
			want = fleet.Addr{}
		}
		if starts[i].Follow != want {
			t.Errorf("n%d starts %v, the master was n%d", i, starts[i], master)
		}
	}
	eventually(t, servingIn, "the old master shows its data", func() bool {
		got, _, err := f.Redis(master).Get(t.Context(), "kept")
		return err == nil && got == "yes"
	})
	checkReplication(t, f, 3)
}
