package machine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Line is how a node's network line treats each packet, in either direction. The
// zero value is a line that does it no harm.
type Line struct {
	// Delay holds each packet up; a round trip takes twice as much longer.
	Delay time.Duration
	// Jitter makes the delay differ from packet to packet, by up to so much more or
	// less. Packets do not overtake each other.
	Jitter time.Duration
	// Loss is the share of packets that get lost, 0 to 1.
	Loss float64
}

func (l Line) check() error {
	switch {
	case l.Delay < 0 || l.Jitter < 0 || l.Jitter > l.Delay:
		return fmt.Errorf("a delay of %s ± %s cannot be: neither is negative, and the jitter is at most the delay", l.Delay, l.Jitter)
	case !(l.Loss >= 0 && l.Loss <= 1):
		return fmt.Errorf("a loss of %v cannot be: it is a share, 0 to 1", l.Loss)
	}
	return nil
}

// due is when a packet leaves the line that came at now, after one that leaves at
// last; chance is in [0, 1).
func (l Line) due(now, last time.Time, chance float64) time.Time {
	at := now.Add(l.Delay + time.Duration((2*chance-1)*float64(l.Jitter)))
	if at.Before(last) {
		return last
	}
	return at
}

// loses tells whether a packet is lost, by a chance in [0, 1).
func (l Line) loses(chance float64) bool { return chance < l.Loss }

// Disturb makes the node's line as it says, from now on and through reboots, until
// the next Disturb or Heal; Line{} ends it. The kernel cannot do that on its own
// everywhere (netem is a module), so the packets of a disturbed node go through
// this process.
func (n *Node) Disturb(ctx context.Context, line Line) error {
	if err := line.check(); err != nil {
		return fmt.Errorf("disturbing the line of %s: %w", n.Name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line = line
	if n.current() == nil {
		return nil // its next boot does it
	}
	if err := n.applyLine(ctx); err != nil {
		return fmt.Errorf("disturbing the line of %s: %w", n.Name, err)
	}
	return nil
}

// applyLine puts the relay between node and bridge, or takes it out. The node is
// plugged in, and the caller has its lock.
func (n *Node) applyLine(ctx context.Context) error {
	switch {
	case n.line == (Line{}) && n.relay == nil:
		return nil
	case n.line == (Line{}):
		return n.endRelay(ctx)
	case n.relay != nil:
		line := n.line
		n.relay.line.Store(&line)
		return nil
	}
	r, err := n.lab.newRelay(n.Name, n.line)
	if err != nil {
		return err
	}
	n.relay = r
	if err := n.lab.ip(ctx, n.lab.network(),
		"link add "+r.side+" type bridge stp_state 0 forward_delay 0", "link set "+r.side+" up",
		fmt.Sprintf("link set %s master %s up", r.taps[0].name, bridge),
		fmt.Sprintf("link set %s master %s up", r.taps[1].name, r.side),
		fmt.Sprintf("link set %s master %s", n.Name, r.side)); err != nil {
		return errors.Join(err, n.endRelay(context.WithoutCancel(ctx)))
	}
	return nil
}

// endRelay plugs the node directly into the bridge again.
func (n *Node) endRelay(ctx context.Context) error {
	if n.relay == nil {
		return nil
	}
	err := n.relay.close()
	side := n.relay.side
	n.relay = nil
	return errors.Join(err, n.lab.ip(ctx, n.lab.network(),
		fmt.Sprintf("link set %s master %s", n.Name, bridge), "link del "+side))
}

// chance is a number in [0, 1).
func chance() float64 { return rand.Float64() }
