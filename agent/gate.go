package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/distro"
	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// preflightAgain is how long after an error the machine is checked again: an
// operator mends it meanwhile, and nothing has to be told to the agent.
const preflightAgain = 5 * time.Second

// gate lets a new instance onto the machine only after a preflight without an
// error. It holds back no step of an instance that was ever started (promise
// fail-static), and checks once for each goal that brings something new. It is the
// loop's, but for the check itself, which runs beside it.
type gate struct {
	check func(ctx context.Context, goal fleet.Goal) preflight.Document
	wake  func()
	now   func() time.Time

	// epoch is that of the goal that passed is about.
	epoch  uint64
	passed bool
	// reason is why nothing new is installed, empty before the first verdict, and
	// names the checks that it names.
	reason, names string
	again         time.Time
	// running gives the verdict of the check that runs; nil when none does.
	running chan verdict
	work    sync.WaitGroup
}

// verdict is the end of one check, for the goal that it was made for.
type verdict struct {
	epoch    uint64
	document preflight.Document
}

// newGate gives the agent's gate; nil where instances are plain processes, as in
// the lab: there is no machine to be checked for.
func (a *agent) newGate() *gate {
	if a.cfg.Supervisor != specfile.SupervisorSystemd {
		return nil
	}
	g := &gate{now: a.now, wake: a.offers.wakeUp, check: a.outside.Preflight}
	if g.check == nil {
		g.check = a.preflight
	}
	return g
}

func (a *agent) preflight(ctx context.Context, goal fleet.Goal) preflight.Document {
	a.clearDistro(ctx, goal)
	return preflight.Run(ctx, preflight.ForAgent(ctx, a.cfg, goal, a.client), a.cfg.PreflightIgnore)
}

// clearDistro takes the distribution's own units out of service where they are
// unused (hazard E2); of those that are used, the preflight tells.
func (a *agent) clearDistro(ctx context.Context, goal fleet.Goal) {
	err := distro.Clear(ctx, a.effects, adoptedUnits(&goal), func(what string) {
		a.log.Warn(what)
		a.pub.Tell(fleet.Event{What: "on " + a.cfg.Node + " " + what, Why: "it would take a port of redfleet's instances at its next start"})
	})
	if err != nil {
		a.log.WithError(err).Warn("the distribution's own Redis could not be looked after")
	}
}

// hold takes the steps of new instances out of the outcome until the machine has
// passed, and gives the reason. tell is true when other checks failed than before:
// what they found may change with every look, and one event is enough.
func (g *gate) hold(ctx context.Context, goal fleet.Goal, facts converge.Facts, out *converge.Outcome) (reason string, tell bool) {
	if g == nil {
		return "", false
	}
	fresh := newInstances(facts, out.Steps)
	before := g.names
	g.take()
	if len(fresh) == 0 {
		return "", false
	}
	if g.epoch != goal.Epoch {
		g.epoch, g.passed, g.again = goal.Epoch, false, time.Time{}
	}
	if g.passed {
		return "", false
	}
	g.start(ctx, goal)
	reason = g.reason
	if reason == "" {
		reason = "the machine is being checked (preflight)"
	}
	out.Steps = slices.DeleteFunc(out.Steps, func(s converge.Step) bool { return fresh[s.Instance] })
	for id := range fresh {
		out.Reasons[id] = reason
	}
	return reason, g.names != "" && g.names != before
}

// newInstances are those with a step that were never started here.
func newInstances(facts converge.Facts, steps []converge.Step) map[fleet.InstanceID]bool {
	fresh := map[fleet.InstanceID]bool{}
	for _, s := range steps {
		// What was adopted runs already; its unit is only told to give way.
		if !facts.Instances[s.Instance].Memory.Started && s.Kind != converge.GiveWay {
			fresh[s.Instance] = true
		}
	}
	return fresh
}

// take reads the verdict of a check that has ended.
func (g *gate) take() {
	select {
	case v := <-g.running:
		g.running = nil
		g.reason, g.names = refusal(v.document)
		if v.epoch == g.epoch {
			g.passed, g.again = v.document.OK, g.now().Add(preflightAgain)
		}
	default:
	}
}

// start begins a check where none runs and it is time.
func (g *gate) start(ctx context.Context, goal fleet.Goal) {
	if g.running != nil || g.now().Before(g.again) {
		return
	}
	done := make(chan verdict, 1)
	g.running = done
	g.work.Go(func() {
		done <- verdict{goal.Epoch, g.check(ctx, goal)}
		g.wake()
	})
}

// close waits for a check that runs; its context has ended.
func (g *gate) close() {
	if g != nil {
		g.work.Wait()
	}
}

// refusal is the errors of a document in one sentence, for report and event, with
// the names of the checks.
func refusal(d preflight.Document) (reason, names string) {
	var parts []string
	for _, c := range d.Checks {
		if c.Status == preflight.Error {
			names += " " + c.Name
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", c.Name, c.Found, c.Do))
		}
	}
	if names == "" {
		return "", ""
	}
	return "preflight found errors, so nothing new is installed here: " + strings.Join(parts, "; "), names
}
