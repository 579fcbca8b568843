//go:build e2e

package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

// place is a unit on a machine.
type place struct {
	node *machine.Node
	unit string
}

func (p place) signal(ctx context.Context, signal string) error {
	return do(ctx, p.node, "systemctl", "kill", "--kill-who=main", "--signal="+signal, p.unit)
}

// signalAll sends a signal to all at once.
func signalAll(ctx context.Context, places []place, signal string) error {
	errs := make(chan error, len(places))
	for _, p := range places {
		go func() { errs <- p.signal(ctx, signal) }()
	}
	var first error
	for range places {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func touchesOf(places []place) (touches []history.Touch) {
	for _, p := range places {
		touches = append(touches, history.Touch{Node: p.node.Name, Unit: p.unit})
	}
	return touches
}

func namesOf(places []place) string {
	var names []string
	for _, p := range places {
		unit, _, _ := strings.Cut(strings.TrimPrefix(p.unit, "redfleet-"), ".")
		names = append(names, p.node.Name+" "+unit)
	}
	return strings.Join(names, ", ")
}

// killed ends processes with SIGKILL, which systemd starts again.
func killed(places []place, claim func(group) history.Claim) *fault {
	return &fault{target: namesOf(places), touches: touchesOf(places), claim: claim, heal: nothing,
		start: func(ctx context.Context) error { return signalAll(ctx, places, "KILL") }}
}

// frozen stops processes for a while, which then go on.
func frozen(places []place, hold time.Duration, claim func(group) history.Claim) *fault {
	return &fault{target: namesOf(places), hold: hold, claim: claim,
		start: func(ctx context.Context) error { return signalAll(ctx, places, "STOP") },
		heal:  func(ctx context.Context) error { return signalAll(ctx, places, "CONT") }}
}

func (r *run) masterPlaces(ctx context.Context) (places []place, err error) {
	nodes, err := r.masters(ctx)
	for i, n := range nodes {
		places = append(places, place{n, r.groups[i].redis()})
	}
	return places, err
}

// replicaPlaces is one replica of each group.
func (r *run) replicaPlaces(ctx context.Context) (places []place, err error) {
	nodes, err := r.masters(ctx)
	for i, n := range nodes {
		places = append(places, place{r.other(n), r.groups[i].redis()})
	}
	return places, err
}

func sentinelsOn(n *machine.Node) (places []place) {
	for _, g := range groups() {
		places = append(places, place{n, g.sentinelUnit()})
	}
	return places
}

func (r *run) everywhere(unit string) (places []place) {
	for _, n := range r.Nodes {
		places = append(places, place{n, unit})
	}
	return places
}

// longer than down-after, so that Sentinel has failed over.
const frozenFor = downAfter + 2*time.Second

func processKinds() []kind {
	return []kind{
		{"kill master", always, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.masterPlaces(ctx)
			return killed(places, crash), err
		}},
		{"kill replica", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.replicaPlaces(ctx)
			return killed(places, harmless), err
		}},
		{"kill sentinel", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return killed(sentinelsOn(r.aNode()), harmless), nil
		}},
		{"kill agent", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return killed(r.everywhere(agentUnit), harmless), nil
		}},
		{"kill coordinator", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return killed(r.everywhere(coordinatorUnit), harmless), nil
		}},
		{"kill consul", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return killed([]place{{r.aNode(), consulUnit}}, harmless), nil
		}},
		{"freeze master", always, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.masterPlaces(ctx)
			return frozen(places, frozenFor, stalled), err
		}},
		{"freeze replica", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.replicaPlaces(ctx)
			return frozen(places, frozenFor, harmless), err
		}},
		{"freeze sentinel", longOnly, func(_ context.Context, r *run) (*fault, error) {
			return frozen(sentinelsOn(r.aNode()), frozenFor, harmless), nil
		}},
		{"freeze agent", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return frozen(r.everywhere(agentUnit), 3*time.Second, harmless), nil
		}},
		{"freeze coordinator", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return frozen(r.everywhere(coordinatorUnit), 3*time.Second, harmless), nil
		}},
		{"freeze consul", sometimes, func(_ context.Context, r *run) (*fault, error) {
			return frozen([]place{{r.aNode(), consulUnit}}, 3*time.Second, harmless), nil
		}},
	}
}

// restarted restarts a unit in good order, one group after the other.
func restarted(places []place) *fault {
	return &fault{target: namesOf(places), touches: touchesOf(places), claim: planned, heal: nothing,
		start: func(ctx context.Context) error {
			for _, p := range places {
				if err := do(ctx, p.node, "systemctl", "restart", "--no-block", p.unit); err != nil {
					return fmt.Errorf("restarting %s: %w", p.unit, err)
				}
			}
			return nil
		}}
}
