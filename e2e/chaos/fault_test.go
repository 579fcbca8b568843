//go:build e2e

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

// kind is a kind of fault.
type kind struct {
	name string
	when when
	// make chooses its target from the fleet as it is now, which is whole.
	make func(ctx context.Context, r *run) (*fault, error)
}

// when tells which runs a kind is in.
type when int

const (
	// always: in every run, however short.
	always when = iota
	// sometimes: in a run with room for all kinds, and in some of the short ones.
	sometimes
	// longOnly: only in a run with room for all kinds, since it takes its time: a
	// frozen sentinel is in TILT for 30 s after it goes on.
	longOnly
)

// fault is what is done to the fleet. start and heal may take their time; between
// them it is held.
type fault struct {
	target string
	start  func(ctx context.Context) error
	hold   time.Duration
	// during looks while it is held, and says what does not hold; nil for nothing.
	during func(ctx context.Context) []string
	heal   func(ctx context.Context) error
	// after looks when everything is whole again.
	after func(ctx context.Context) []string
	// seen is what start and heal measured, in words.
	seen []string
	// within is how long it may take until everything is whole; 0 for wholeLimit.
	within   time.Duration
	touches  []history.Touch
	isolated string
	claim    func(g group) history.Claim
}

// nothing is for what needs no healing.
func nothing(context.Context) error { return nil }

const (
	// wholeLimit is how long the fleet may take until it is whole after a fault is
	// healed: most of it is for a busy host. Sentinel's own repair of an old master
	// takes ten seconds, its TILT after a freeze thirty.
	wholeLimit = 75 * time.Second
	// healthyGap is how long clients may be without a master where nothing that they
	// need is touched: one call that times out, and one more.
	healthyGap = 1500 * time.Millisecond
	// sentinelRepair is how long Sentinel leaves an old master alone that it does not
	// take for down: it waits 8 s for others to say so, and asks for INFO each 1 s.
	sentinelRepair = 12 * time.Second
	// countsLate is what a busy host adds to L + 1 s as it is measured: a server counts its
	// replicas by a timer of its own, each turn of which waits for a core, and a write is
	// noted when its answer was read. 3.94 s of 4 were seen.
	countsLate = 100 * time.Millisecond
)

// harmless: no client may notice.
func harmless(g group) history.Claim {
	return history.Claim{Group: g.name, Gap: healthyGap, Isolated: history.Unclaimed, Reason: "nothing that clients need is touched"}
}

// planned: what is done in good order loses nothing, but takes a failover.
func planned(g group) history.Claim {
	return history.Claim{Group: g.name, Gap: history.Unclaimed, Isolated: history.Unclaimed, Reason: "a server that is stopped in order hands over all writes first"}
}

// crash: replication is asynchronous, so a plain write may be lost, and one that was
// waited for may not. The fence lets no old master start as one.
func crash(g group) history.Claim {
	return history.Claim{Group: g.name, Lost: history.Unclaimed, Gap: history.Unclaimed, Isolated: history.Unclaimed,
		Reason: "the fence starts an old master as a replica only"}
}

// stalled: an old master that was frozen goes on as one when it thaws, until Sentinel
// has made it a replica, or until it counts its replicas, which it does each second.
func stalled(g group) history.Claim {
	c := crash(g)
	c.Dual, c.Reason = sentinelRepair, "until Sentinel has made it a replica"
	if g.bounds() {
		c.Dual, c.Reason = maxLag+time.Second+countsLate, "until it has seen that no replica follows it"
	}
	return c
}

// parted: an old master that clients reach and its replicas do not takes writes as
// long as that lasts, and until Sentinel has made it a replica; where the group
// bounds its losses it ends L + 1 s after the cut, and the new one cannot be there
// before down-after.
func parted(hold time.Duration) func(g group) history.Claim {
	return func(g group) history.Claim {
		c := crash(g)
		c.Dual, c.Reason = hold+sentinelRepair, "as long as the cut lasts, and until Sentinel has made it a replica"
		if g.bounds() {
			c.Dual, c.Isolated = maxLag+time.Second+countsLate-downAfter, maxLag+time.Second+countsLate
			c.Reason = "L + 1 s after the cut, less down-after"
		}
		return c
	}
}

// deaf: an old master whose packets are lost still hears its replicas acknowledge,
// and Redis counts acknowledgements that come, not what they confirm. But TCP itself
// gets no confirmation at the replicas: what they send within the first retransmission
// timeout (0.2 s) arrives, and nothing new after it. They acknowledge each second, so
// one acknowledgement may come after the cut, up to 1 s later.
func deaf(hold time.Duration) func(g group) history.Claim {
	return func(g group) history.Claim {
		c := parted(hold)(g)
		if g.bounds() {
			c.Dual, c.Isolated = maxLag+2*time.Second+countsLate-downAfter, maxLag+2*time.Second+countsLate
			c.Reason = "L + 1 s after its replicas' last acknowledgement, which may come 1 s after the cut"
		}
		return c
	}
}

// inject does one fault from start to whole, and says whether the fleet is whole.
func (r *run) inject(ctx context.Context, number int, k kind) bool {
	if err := r.sampleUnits(ctx); err != nil {
		r.t.Fatal(err)
	}
	f, err := k.make(ctx, r)
	if err != nil {
		r.t.Fatalf("fault %d (%s): %v", number, k.name, err)
	}
	h := history.Fault{Number: number, Kind: k.name, Target: f.target, Touches: f.touches, Isolated: f.isolated, Start: r.now()}
	for _, g := range groups() {
		h.Claims = append(h.Claims, f.claim(g))
	}
	err = f.start(ctx)
	h.Made = r.now()
	if err == nil {
		err = pause(ctx, f.hold)
	}
	if err == nil && f.during != nil {
		h.Broken = append(h.Broken, f.during(ctx)...)
	}
	if healed := f.heal(ctx); err == nil {
		err = healed
	}
	h.Healed, h.Seen = r.now(), f.seen
	if err != nil {
		h.Broken = append(h.Broken, err.Error())
	}
	last := "" // what took longest, for the log
	h.Why = r.await(ctx, cmp.Or(f.within, wholeLimit), func() string {
		why := r.whole(ctx, h.Healed)
		if why != "" {
			last = why
		}
		return why
	})
	if h.Why == "" {
		h.Whole = r.now()
		if f.after != nil {
			h.Broken = append(h.Broken, f.after(ctx)...)
		}
	} else {
		h.Broken = append(h.Broken, "it is not whole again: "+h.Why)
	}
	if err := r.sampleUnits(ctx); err != nil {
		h.Broken = append(h.Broken, err.Error())
	}
	r.faults = append(r.faults, h)
	r.t.Logf("%6.1f s fault %d: %s, %s: healed after %.1f s, whole after %.1f s; last %q %q", h.Start.Seconds(), number, k.name, f.target,
		(h.Healed - h.Start).Seconds(), (h.Whole - h.Start).Seconds(), last, h.Broken)
	return h.Whole > 0
}

// master is the machine with the group's master; the fleet is whole.
func (r *run) master(ctx context.Context, g *watched) (*machine.Node, error) {
	n, why := g.oneMaster(ctx, r.Nodes)
	if why != "" {
		return nil, fmt.Errorf("group %s: %s", g.name, why)
	}
	return n, nil
}

// masters are the machines with the masters, one for each group.
func (r *run) masters(ctx context.Context) ([]*machine.Node, error) {
	var all []*machine.Node
	for _, g := range r.groups {
		n, err := r.master(ctx, g)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// aMaster is a machine that carries the master of some group, chosen at random.
func (r *run) aMaster(ctx context.Context) (*machine.Node, error) {
	return r.master(ctx, r.groups[r.random.IntN(len(r.groups))])
}

// aBoundedMaster is a machine that carries the master of a group that bounds its
// losses: what is isolated is one whose bound is seen.
func (r *run) aBoundedMaster(ctx context.Context) (*machine.Node, error) {
	var bounded []*watched
	for _, g := range r.groups {
		if g.bounds() {
			bounded = append(bounded, g)
		}
	}
	return r.master(ctx, bounded[r.random.IntN(len(bounded))])
}

// aNode is any machine.
func (r *run) aNode() *machine.Node { return r.Nodes[r.random.IntN(len(r.Nodes))] }

// other is a machine that is not this one.
func (r *run) other(n *machine.Node) *machine.Node {
	others := r.Others(n)
	return others[r.random.IntN(len(others))]
}
