//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

func allOf(nodes []*machine.Node) (touches []history.Touch) {
	for _, n := range nodes {
		touches = append(touches, history.Touch{Node: n.Name})
	}
	return touches
}

func nodeNames(nodes []*machine.Node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

// off takes the power of machines at once, and gives it back in the order given, each
// after the one before has started to boot.
func off(nodes []*machine.Node, hold time.Duration, claim func(group) history.Claim) *fault {
	return &fault{target: nodeNames(nodes), touches: allOf(nodes), hold: hold, claim: claim,
		start: func(ctx context.Context) error {
			return each(nodes, func(n *machine.Node) error { return n.PowerOff(ctx) })
		},
		heal: func(ctx context.Context) error { return bootInOrder(ctx, nodes) }}
}

// bootStagger is between two machines that get their power back.
const bootStagger = 500 * time.Millisecond

func bootInOrder(ctx context.Context, nodes []*machine.Node) error {
	errs := make(chan error, len(nodes))
	for i, n := range nodes {
		go func() {
			err := pause(ctx, time.Duration(i)*bootStagger)
			if err == nil {
				err = n.BootAgain(ctx)
			}
			errs <- err
		}()
	}
	var all error
	for range nodes {
		all = errors.Join(all, <-errs)
	}
	return all
}

// shuffled are the machines in any order.
func (r *run) shuffled() []*machine.Node {
	var nodes []*machine.Node
	for _, i := range r.random.Perm(len(r.Nodes)) {
		nodes = append(nodes, r.Nodes[i])
	}
	return nodes
}

func powerKinds() []kind {
	return []kind{
		{"power off master", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return off([]*machine.Node{n}, frozenFor, crash), err
		}},
		{"power off briefly", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return off([]*machine.Node{n}, 0, crash), err
		}},
		{"power off two", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			if err != nil {
				return nil, err
			}
			f := off([]*machine.Node{n, r.other(n)}, frozenFor, crash)
			f.during = func(ctx context.Context) []string { return r.saysWhy(ctx) }
			return f, nil
		}},
		{"power off all", always, func(_ context.Context, r *run) (*fault, error) { return r.dark(r.shuffled(), true), nil }},
		{"power off all without Consul", sometimes, func(_ context.Context, r *run) (*fault, error) { return r.dark(r.shuffled(), false), nil }},
		{"freeze node", longOnly, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return frozenNode(n, frozenFor, stalled), err
		}},
		{"freeze node briefly", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return frozenNode(n, downAfter/2, func(g group) history.Claim {
				c := harmless(g)
				c.Gap += downAfter / 2
				return c
			}), err
		}},
		{"reboot in order", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return &fault{target: n.Name, touches: allOf([]*machine.Node{n}), claim: planned,
				start: n.Shutdown, heal: n.BootAgain}, err
		}},
		{"restart masters in order", always, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.masterPlaces(ctx)
			return restarted(places), err
		}},
		{"restart replicas in order", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.replicaPlaces(ctx)
			return restarted(places), err
		}},
		{"planned failover", always, func(_ context.Context, r *run) (*fault, error) {
			return r.plannedFailover(r.groups[r.random.IntN(len(r.groups))].group), nil
		}},
		{"reinstall package", always, func(_ context.Context, r *run) (*fault, error) { return r.reinstall(), nil }},
	}
}

func frozenNode(n *machine.Node, hold time.Duration, claim func(group) history.Claim) *fault {
	return &fault{target: n.Name, hold: hold, claim: claim, start: n.Freeze, heal: n.Thaw}
}

// plannedFailover is the operator's: it holds the master's writes until it is a
// replica of the new one (hazard S13), so that none is lost, and never two servers take
// writes. The drill's own clients find out too.
func (r *run) plannedFailover(g group) *fault {
	return &fault{target: g.name, heal: nothing,
		claim: func(of group) history.Claim {
			c := planned(of)
			if of.name != g.name {
				return harmless(of)
			}
			c.Gap, c.Reason = 2*downAfter, "writes are held for less than down-after, and clients ask a sentinel again"
			return c
		},
		start: func(ctx context.Context) error {
			n, err := r.asked()
			if err != nil {
				return err
			}
			result, err := r.redfleet(ctx, n, "drill", "failover", g.name, "--yes")
			if err == nil && result.Code != 0 {
				err = fmt.Errorf("redfleet drill failover %s: exit status %d: %s%s", g.name, result.Code, result.Stdout, result.Stderr)
			}
			return err
		}}
}

// reinstall installs the package again on all machines, as an upgrade does: the
// daemons are restarted, and no instance.
func (r *run) reinstall() *fault {
	f := &fault{target: "all machines", claim: func(g group) history.Claim { return harmless(g) }, heal: nothing,
		start: func(ctx context.Context) error {
			return each(r.Nodes, func(n *machine.Node) error { return do(ctx, n, "dpkg", "--install", "/root/redfleet.deb") })
		}}
	for _, n := range r.Nodes {
		f.touches = append(f.touches, history.Touch{Node: n.Name, Unit: agentUnit}, history.Touch{Node: n.Name, Unit: coordinatorUnit})
	}
	return f
}

// saysWhy: with a minority left, nobody may call a group good, and status gives a
// reason, or says that Consul cannot be asked.
func (r *run) saysWhy(ctx context.Context) (broken []string) {
	n, err := r.asked()
	if err != nil {
		return []string{err.Error()}
	}
	result, err := r.redfleet(ctx, n, "status")
	if err != nil {
		return []string{err.Error()}
	}
	text := result.Stdout + result.Stderr
	if result.Code == 0 || strings.TrimSpace(text) == "" {
		broken = append(broken, fmt.Sprintf("with two machines off, redfleet status says exit status %d: %s", result.Code, text))
	}
	r.t.Logf("with a minority left, redfleet status says (exit status %d): %s", result.Code, strings.TrimSpace(text))
	return broken
}
