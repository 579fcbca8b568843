package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	newOne fleet.InstanceID = "redis-new-6379"
	oldOne fleet.InstanceID = "redis-old-6380"
)

// gateRig is a gate whose check ends when the test says how.
type gateRig struct {
	gate  *gate
	ends  chan preflight.Document
	woken chan struct{}
	now   time.Time
}

func newGateRig(t *testing.T) *gateRig {
	r := &gateRig{ends: make(chan preflight.Document), woken: make(chan struct{}, 1), now: time.Unix(1e9, 0)}
	r.gate = &gate{
		now: func() time.Time { return r.now }, wake: func() { r.woken <- struct{}{} },
		check: func(ctx context.Context, _ fleet.Goal) preflight.Document {
			select {
			case d := <-r.ends:
				return d
			case <-ctx.Done():
				return preflight.Document{}
			}
		},
	}
	t.Cleanup(r.gate.close)
	return r
}

// pass is one pass of the loop; it gives the instances whose steps went through.
func (r *gateRig) pass(ctx context.Context, epoch uint64) (through, reason string, tell bool) {
	facts := converge.Facts{Instances: map[fleet.InstanceID]converge.Instance{
		newOne: {}, oldOne: {Memory: converge.Memory{Started: true}},
	}}
	out := converge.Outcome{Reasons: map[fleet.InstanceID]string{}, Steps: []converge.Step{
		{Kind: converge.Install, Instance: newOne}, {Kind: converge.StartRedis, Instance: oldOne},
	}}
	_, tell = r.gate.hold(ctx, fleet.Goal{Epoch: epoch}, facts, &out)
	for _, s := range out.Steps {
		through += " " + string(s.Instance)
	}
	return strings.TrimSpace(through), out.Reasons[newOne], tell
}

// end lets the check that runs end, and waits until the loop was woken.
func (r *gateRig) end(errors ...string) {
	d := preflight.Document{OK: len(errors) == 0}
	for _, name := range errors {
		d.Checks = append(d.Checks, preflight.Result{Name: name, Status: preflight.Error, Found: "found", Do: "do"})
	}
	r.ends <- d
	<-r.woken
}

// What ran before is never held back, whatever the check says (fail-static).
func TestGate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newGateRig(t)
	t.Cleanup(cancel)
	only, both := string(oldOne), string(newOne)+" "+string(oldOne)
	expect := func(step string, epoch uint64, through, reason string, tell bool) {
		t.Helper()
		gotThrough, gotReason, gotTell := r.pass(ctx, epoch)
		if gotThrough != through || !strings.Contains(gotReason, reason) || gotTell != tell {
			t.Errorf("%s: steps of %q, reason %q, tell %v; want %q, %q, %v", step, gotThrough, gotReason, gotTell, through, reason, tell)
		}
	}
	expect("while it is checked", 1, only, "is being checked", false)
	expect("one check at a time", 1, only, "is being checked", false)
	r.end("disk", "ports")
	expect("errors", 1, only, "disk: found (do); ports: found (do)", true)
	expect("told once", 1, only, "disk: found", false)
	r.now = r.now.Add(preflightAgain)
	expect("checked again", 1, only, "disk: found", false)
	r.end("disk")
	expect("other errors are told", 1, only, "disk: found", true)
	r.now = r.now.Add(preflightAgain)
	expect("checked a third time", 1, only, "disk: found", false)
	r.end()
	expect("mended", 1, both, "", false)
	expect("once for each goal", 1, both, "", false)
	expect("a new goal is checked anew", 2, only, "is being checked", false)
	expect("a newer one before the end", 3, only, "is being checked", false)
	r.end()
	expect("a verdict is for its own goal", 3, only, "is being checked", false)
	r.end()
	expect("its own verdict", 3, both, "", false)
}

// Without systemd there is no gate, and nothing waits.
func TestNoGate(t *testing.T) {
	var none *gate
	out := converge.Outcome{Steps: []converge.Step{{Kind: converge.Install, Instance: newOne}}}
	if _, tell := none.hold(t.Context(), fleet.Goal{}, converge.Facts{}, &out); tell || len(out.Steps) != 1 {
		t.Errorf("%d steps are left, tell %v", len(out.Steps), tell)
	}
	none.close()
}
