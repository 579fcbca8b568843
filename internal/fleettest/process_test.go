package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/specfile"
)

// orderVariable makes this test binary a daemon: it names the file of its order.
const orderVariable = "REDFLEET_TEST_ORDER"

func TestMain(m *testing.M) {
	if path := os.Getenv(orderVariable); path != "" {
		if err := obey(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// order is what a daemon in a process of its own is and where it gets SIGKILL.
type order struct {
	Agent       *specfile.AgentConfig
	Coordinator *specfile.CoordinatorConfig
	Label       effect.Label
	At          effect.Point
}

func (o order) who() string {
	if o.Agent != nil {
		return "agent " + o.Agent.Node
	}
	return "coordinator " + o.Coordinator.Name
}

// obey runs the daemon of an order, until it is killed or the test that started
// it is gone, which closes its standard input.
func obey(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	log := logrus.New()
	log.SetOutput(os.Stdout)
	if o.Agent != nil {
		return agent.Run(ctx, agent.Options{Config: *o.Agent, Log: log.WithField("who", o.who()), Hook: o.hook})
	}
	return coordinator.Run(ctx, coordinator.Options{Config: *o.Coordinator, Log: log.WithField("who", o.who()), Hook: o.hook})
}

// hook sends this very process SIGKILL at the ordered place.
func (o order) hook(_ context.Context, l effect.Label, at effect.Point) error {
	if l != o.Label || at != o.At {
		return nil
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	select {} // the signal is on its way
}

// killed is a daemon in a process of its own. It gets SIGKILL at an effect, and
// is started again at once, this time to stay.
type killed struct {
	f     *Fleet
	order order
	// pid is the first process.
	pid int
	// restarted tells that it was killed and runs again, or what went wrong.
	restarted chan error
	ctx       context.Context
}

// startKilled starts the process of an order; it and its successor end with the
// test at the latest.
func startKilled(t *testing.T, f *Fleet, o order) *killed {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &killed{f: f, order: o, restarted: make(chan error, 1), ctx: ctx}
	first, err := k.start(o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	k.pid = first.Process.Pid
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		err := wantKilled(first.Wait())
		if err != nil || ctx.Err() != nil {
			k.restarted <- err
			return
		}
		stays := o
		stays.Label = ""
		second, err := k.start(stays)
		k.restarted <- err
		if err == nil {
			_ = second.Wait()
		}
	}()
	t.Cleanup(func() { cancel(); <-gone })
	return k
}

// start runs this test binary with an order; the end of k.ctx is its SIGKILL.
func (k *killed) start(o order) (*exec.Cmd, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(k.f.Dir, fmt.Sprintf("%s %s.json", o.who(), o.Label))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(k.ctx, os.Args[0])
	cmd.Env = append(os.Environ(), orderVariable+"="+path)
	cmd.Stdout, cmd.Stderr = k.f.Log, k.f.Log
	if _, err := cmd.StdinPipe(); err != nil { // closed with the test's process, at the latest
		return nil, err
	}
	return cmd, cmd.Start()
}

func wantKilled(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return fmt.Errorf("it ended by itself: %w", err)
}

// wait returns once the process was killed and runs again.
func (k *killed) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case err := <-k.restarted:
		if err != nil {
			t.Fatalf("%s: %v\n%s", k.order.who(), err, tail(k.f.Log.String()))
		}
	case <-time.After(limit):
		t.Fatalf("%s did not come to %q within %s\n%s", k.order.who(), k.order.Label, limit, tail(k.f.Log.String()))
	}
}
