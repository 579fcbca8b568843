package join

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/systemd"
)

// units is a systemd whose units are in one state; only systemd itself can fail a
// start on demand.
type units struct {
	state systemd.Daemon
	asked []string
}

func (u *units) Daemon(context.Context, string) (systemd.Daemon, error) { return u.state, nil }

func (u *units) Run(_ context.Context, unit string) error {
	u.asked = append(u.asked, unit)
	return nil
}

// TestAwait: it ends when a new run of the agent has reported, when the daemon does
// not stay up, and at the latest when its time is over; it says what it waits for.
func TestAwait(t *testing.T) {
	t.Parallel()
	m := newMachine(t, consultest.StartACL(t))
	plan, err := Prepare(t.Context(), m.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	plan.boot = "before"
	up := &units{state: systemd.Daemon{Installed: true, Active: "active", Sub: "running"}}
	limited := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	// awaits ends the wait when it has said what it waits for: a time that is over in the
	// middle of a question to Consul is told as Consul's.
	awaits := func(what string) {
		t.Helper()
		ctx, over := context.WithCancelCause(limited(time.Minute))
		defer over(nil)
		var told []string
		err := plan.Await(ctx, up, func(text string) {
			if told = append(told, text); strings.Contains(text, what) {
				over(context.DeadlineExceeded)
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), what) || len(told) == 0 {
			t.Errorf("it waits for the %s: %v; it said %q", what, err, told)
		}
	}
	awaits("first report")
	down := &units{state: systemd.Daemon{Installed: true, Active: "activating", Sub: "auto-restart", Result: "exit-code", Restarts: 3}}
	if err := plan.Await(limited(time.Minute), down, func(string) {}); err == nil || !strings.Contains(err.Error(), "does not stay up") {
		t.Errorf("with an agent that ends again and again: %v", err)
	}

	session, err := m.root.CreateSession(t.Context(), "n1", time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	key := fleet.KeysOf("shop").Report("n1")
	report := fleet.Report{Format: fleet.Format, Node: "n1", Address: "127.0.0.1", Boot: "before"}
	if _, err := m.root.Txn(t.Context(), consul.Lock(key, encode(t, report), session)); err != nil {
		t.Fatal(err)
	}
	awaits("new report")
	report.Boot = "now"
	if _, err := m.root.Txn(t.Context(), consul.Lock(key, encode(t, report), session)); err != nil {
		t.Fatal(err)
	}
	if err := plan.Await(limited(10*time.Second), up, func(string) {}); err != nil {
		t.Error(err)
	}
}

// TestUnitsMustBeInstalled before anything is written.
func TestUnitsMustBeInstalled(t *testing.T) {
	t.Parallel()
	p := &Plan{}
	if err := p.Installed(t.Context(), &units{}); err == nil || !strings.Contains(err.Error(), "install the redfleet package first") {
		t.Errorf("error %v", err)
	}
	u := &units{state: systemd.Daemon{Installed: true}}
	if err := errors.Join(p.Installed(t.Context(), u), p.Start(t.Context(), u)); err != nil || !slices.Equal(u.asked, []string{AgentUnit}) {
		t.Errorf("%v; it started %v", err, u.asked)
	}
}

// jobs records in which order apt and the masks come.
type jobs struct {
	order []string
	err   error
}

func (j *jobs) MaskMissing(_ context.Context, units ...string) ([]string, error) {
	j.order = append(j.order, "mask "+strings.Join(units, " "))
	return units, nil
}

func (j *jobs) RunJob(_ context.Context, job systemd.Job, tick func(time.Duration)) error {
	j.order = append(j.order, "apt "+job.Argv[len(job.Argv)-1])
	tick(5 * time.Second)
	return j.err
}

// TestInstallEngine: the distribution's units are masked before apt runs (hazard E2);
// a failure names the journal. What apt does is for the machines' tests.
func TestInstallEngine(t *testing.T) {
	t.Parallel()
	j := &jobs{err: &systemd.JobError{Unit: EngineUnit, Result: "exit-code", Status: 100}}
	var told []string
	_, err := InstallEngine(t.Context(), j, fleet.EngineValkey, func(text string) { told = append(told, text) })
	if err == nil || !strings.Contains(err.Error(), "journalctl -u "+EngineUnit) {
		t.Errorf("error %v", err)
	}
	if want := []string{"mask valkey-server.service valkey-sentinel.service", "apt valkey-server"}; !slices.Equal(j.order, want) {
		t.Errorf("it did %q, want %q", j.order, want)
	}
	if len(told) != 3 || !strings.Contains(told[2], "5 s") {
		t.Errorf("it said %q", told)
	}
}

func TestMissingEngine(t *testing.T) {
	t.Parallel()
	none := map[string]string{fleet.EngineRedis: "/nowhere/redis-server", fleet.EngineValkey: "/nowhere/valkey-server"}
	for wanted, want := range map[string]string{"": fleet.EngineRedis, fleet.EngineValkey: fleet.EngineValkey} {
		if got, err := MissingEngine(t.Context(), wanted, fleet.Engines(), none); got != want || err != nil {
			t.Errorf("wanting %q on a machine with none: %q, %v; want %q", wanted, got, err, want)
		}
	}
	if got, err := MissingEngine(t.Context(), "", fleet.Engines(), map[string]string{fleet.EngineValkey: "/nowhere/valkey-server"}); got != "" || err != nil {
		t.Errorf("with a redis: %q, %v", got, err)
	}
	bad := map[string]string{fleet.EngineRedis: "/bin/true"}
	if got, err := MissingEngine(t.Context(), fleet.EngineRedis, fleet.Engines(), bad); err == nil || errors.Is(err, engine.ErrMissing) {
		t.Errorf("with a program that is none: %q, %v", got, err)
	}
}
