// Package boot is the boot fence: what runs before each start of a redis-server
// under systemd, and decides who may start as what. It is the agent's own rule
// (packages converge and fence) in a process of its own, so that a machine comes
// back by itself with neither Consul nor the agent (promise fail-static): it reads
// what the agent keeps on disk, asks the group's sentinels and servers, and writes
// the role into redis.conf. Under systemd nothing else writes a role.
//
// A fence that was cut anywhere has started nothing. What it wrote before is the
// role of that moment, and the next fence decides anew (promise resumable).
package boot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// askAgain is how long the fence waits between two rounds of questions, as the
// agent does for an instance that is down.
const askAgain = 200 * time.Millisecond

// Options is what the fence needs.
type Options struct {
	Config specfile.AgentConfig
	// Instance is the redis instance that wants to start.
	Instance fleet.InstanceID
	// Wait is how long the fence goes on asking while the answer is no; 0 asks
	// once.
	Wait time.Duration
	// Tell is called with each new reason why the instance stays down.
	Tell func(Held)
	// Hook is asked at each labelled effect; nil in production.
	Hook effect.Hook
	// The simulation replaces these. Nil means the machine's network, the engine
	// that package engine finds, and the kernel's clock.
	Network    observe.Network
	FindEngine engine.Finder
	Clock      state.Clock
}

// Held is the refusal of a start, by a rule of docs/design.md ("The fence"): a
// server that is held loses nothing, a second master does.
type Held struct {
	Instance fleet.InstanceID
	// Rule is the rule's name; "not-ready" where the fence was not reached.
	Rule   string
	Reason string
}

// Error names the rule and the reason.
func (h *Held) Error() string {
	return fmt.Sprintf("%s is held by the rule %s: %s", h.Instance, h.Rule, h.Reason)
}

// Start is the permission to start; redis.conf says so already.
type Start struct {
	// Follow is the master; zero: it starts as the master.
	Follow fleet.Addr
	Rule   string
	Reason string
}

// String is the line for the journal.
func (s Start) String() string {
	role := "as the master"
	if s.Follow != (fleet.Addr{}) {
		role = "as a replica of " + s.Follow.String()
	}
	return fmt.Sprintf("starts %s, by the rule %s: %s", role, s.Rule, s.Reason)
}

// Fence asks until the instance may start, and then writes its role. Where
// peers answer it takes some tens of milliseconds; peers that are silent cost 0.4 s in
// each round. After o.Wait it gives a *Held. Every other error says what is wrong
// on this machine and what to do; nothing is started then either.
func Fence(ctx context.Context, o Options) (Start, error) {
	m, err := read(ctx, o)
	if err != nil {
		return Start{}, err
	}
	effects := effect.New(o.Hook)
	observer := observe.New(o.Config.DataDir, m.store, down{}, time.Now)
	observer.DownSince = m.downSince
	if o.Network != nil {
		observer.Network = o.Network
	}
	defer observer.Close()
	deadline := time.Now().Add(o.Wait)
	var last Held
	var ready *converge.Step // the start that redis.conf and the agent's memory stand for
	for {
		step, held := m.decide(ctx, observer)
		if held == nil {
			if ready == nil || !ready.SameStart(step.Step) {
				err := m.prepare(ctx, effects, step.Step)
				if errors.Is(err, apply.ErrOutdated) && ctx.Err() == nil {
					continue
				}
				if err != nil {
					return Start{}, err
				}
				ready = &step.Step
			}
			if !step.Stale(time.Now()) {
				return Start{Follow: step.Follow, Rule: step.rule, Reason: step.Reason}, nil
			}
			held = &Held{Instance: o.Instance, Rule: ruleStale, Reason: "it was to start as the master, and what that rests on is seconds old by now, " +
				"since this machine or its disk stood still: it is asked again"}
		} else {
			ready = nil
		}
		if *held != last && o.Tell != nil {
			o.Tell(*held)
		}
		last = *held
		if ready == nil { // else its start is noted already
			if err := m.noteDown(ctx, effects); err != nil {
				return Start{}, errors.Join(held, err)
			}
		}
		if !time.Now().Add(askAgain).Before(deadline) {
			return Start{}, held
		}
		select {
		case <-ctx.Done():
			return Start{}, errors.Join(held, context.Cause(ctx))
		case <-time.After(askAgain):
		}
	}
}

// ruled is a step with the rule that allowed it.
type ruled struct {
	converge.Step
	rule string
}

// decide looks once and asks the agent's own rule.
func (m machine) decide(ctx context.Context, observer *observe.Observer) (ruled, *Held) {
	if m.instance.Assigned != fleet.Running {
		return ruled{}, &Held{Instance: m.instance.ID, Rule: ruleRetired, Reason: "this node left the group " + m.instance.Group +
			"; its files are kept, and the agent disables the unit"}
	}
	seen := observer.Look(ctx, m.instance, m.password)
	id := m.instance.ID
	out := converge.Plan(m.goal, converge.Facts{
		Now: time.Now(), Instances: map[fleet.InstanceID]converge.Instance{id: seen.Facts},
	})
	for _, s := range out.Steps {
		if s.Kind == converge.StartRedis {
			return ruled{s, out.Rules[id]}, nil
		}
	}
	held := &Held{Instance: id, Rule: out.Rules[id], Reason: out.Reasons[id]}
	if len(out.Steps) > 0 { // Install: the agent's, which knows the folder's owner
		held.Reason = fmt.Sprintf("its folder %s is gone or was never made; the agent makes it: systemctl start redfleet-agent",
			apply.Dir(m.config.DataDir, id))
	}
	if held.Rule == "" {
		held.Rule = notReady
	}
	return ruled{}, held
}

// ruleRetired: the goal on disk says that the node left the group.
const ruleRetired = "retired"

// ruleStale: between the answers and the start too much time went by.
const ruleStale = "stale-answers"

// notReady stands in for a rule where no question was asked.
const notReady = "not-ready"

// prepare writes the role. The note of how long the instance is down goes first:
// kept over a start it would make the next fence believe in a long absence.
func (m machine) prepare(ctx context.Context, effects effect.Runner, s converge.Step) error {
	err := effects.Do(ctx, LabelClear, func(context.Context) error { return m.store.ClearDown(m.instance.ID) })
	if err != nil {
		return err
	}
	a, err := m.applier(ctx, effects)
	if err != nil {
		return err
	}
	return a.Prepare(ctx, s, apply.Target{Goal: m.instance, Password: m.password})
}

func (m machine) noteDown(ctx context.Context, effects effect.Runner) error {
	return effects.Do(ctx, LabelDown, func(context.Context) error { return m.store.NoteDown(m.instance.ID) })
}

// The labels of the fence's own effects; those of package apply come on top.
const (
	LabelDown  effect.Label = "fence: note since when an instance is down"
	LabelClear effect.Label = "fence: forget since when it was down"
)

// Labels are the labels of all effects that a fence has.
func Labels() []effect.Label {
	return []effect.Label{LabelDown, LabelClear, apply.LabelRedis, apply.LabelRemember}
}

// down stands for systemd, which runs the fence only while the server is down. A
// fence that somebody runs by hand beside a running server finds its port taken.
type down struct{}

// Status says that the unit is down.
func (down) Status(context.Context, fleet.InstanceID) (fleet.UnitStatus, error) {
	return fleet.UnitStatus{State: fleet.UnitInactive}, nil
}
