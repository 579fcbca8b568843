//go:build e2e

package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

// isolatedFor is longer than a bounded group's old master may go on for.
const isolatedFor = maxLag + 3*time.Second

func networkKinds() []kind {
	return []kind{
		{"cut master", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return &fault{target: n.Name, hold: frozenFor, claim: stalled, start: n.Cut, heal: n.Heal}, err
		}},
		{"part master", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aBoundedMaster(ctx)
			return &fault{target: n.Name + " from its peers", hold: isolatedFor, isolated: n.Name, claim: parted(isolatedFor), heal: n.Heal,
				start: func(ctx context.Context) error { return errors.Join(r.cutFrom(ctx, n), r.cutTo(ctx, n)) }}, err
		}},
		{"cut one way from master", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aBoundedMaster(ctx)
			return &fault{target: n.Name + " to its peers", hold: isolatedFor, isolated: n.Name, claim: deaf(isolatedFor), heal: n.Heal,
				start: func(ctx context.Context) error { return r.cutFrom(ctx, n) }}, err
		}},
		{"cut one way to master", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aBoundedMaster(ctx)
			return &fault{target: "its peers to " + n.Name, hold: isolatedFor, isolated: n.Name, claim: parted(isolatedFor), heal: n.Heal,
				start: func(ctx context.Context) error { return r.cutTo(ctx, n) }}, err
		}},
		{"flapping link", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return &fault{target: n.Name, claim: stalled, heal: n.Heal, start: func(ctx context.Context) error { return flap(ctx, n) }}, err
		}},
		{"delay", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return disturbed(n, machine.Line{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}), err
		}},
		{"loss", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return disturbed(n, machine.Line{Loss: 0.05}), err
		}},
	}
}

func (r *run) cutFrom(ctx context.Context, n *machine.Node) (err error) {
	for _, peer := range r.Others(n) {
		err = errors.Join(err, r.Lab.CutOneWay(ctx, n, peer))
	}
	return err
}

func (r *run) cutTo(ctx context.Context, n *machine.Node) (err error) {
	for _, peer := range r.Others(n) {
		err = errors.Join(err, r.Lab.CutOneWay(ctx, peer, n))
	}
	return err
}

// flap cuts and heals a link for some seconds.
func flap(ctx context.Context, n *machine.Node) (err error) {
	for range 6 {
		err = errors.Join(err, n.Cut(ctx), pause(ctx, 400*time.Millisecond), n.Heal(ctx), pause(ctx, 300*time.Millisecond))
	}
	return err
}

// disturbed: a slow or lossy line is no reason to lose a write; it may be one for a
// failover, which Sentinel decides.
func disturbed(n *machine.Node, line machine.Line) *fault {
	return &fault{target: n.Name, hold: 5 * time.Second, heal: n.Heal, claim: func(g group) history.Claim { return stalled(g) },
		start: func(ctx context.Context) error { return n.Disturb(ctx, line) }}
}
