package sim

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/fleet"
	unitfiles "github.com/redfleet/redfleet/systemd"
)

// hand is the supervisor as one life of an agent has it.
type hand struct {
	s     *systemd
	p     *process
	exits chan fleet.InstanceID
}

func (s *systemd) hand(p *process) *hand {
	h := &hand{s: s, p: p, exits: make(chan fleet.InstanceID, 16)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hands[h] = struct{}{}
	return h
}

var _ agent.Supervisor = (*hand)(nil)

// Exits tells of ends.
func (h *hand) Exits() <-chan fleet.InstanceID { return h.exits }

// Close ends the telling and stops no unit.
func (h *hand) Close() error {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	delete(h.s.hands, h)
	return nil
}

// Status is what systemctl show says.
func (h *hand) Status(_ context.Context, id fleet.InstanceID) (fleet.UnitStatus, error) {
	if err := h.p.gate(); err != nil {
		return fleet.UnitStatus{}, err
	}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	u := h.s.units[id]
	if u == nil {
		return fleet.UnitStatus{State: fleet.UnitInactive}, nil
	}
	st := fleet.UnitStatus{State: u.state, Exit: u.exit}
	if u.state == fleet.UnitActive {
		st.PID, st.Invocation, st.Exit = u.process.PID(), fmt.Sprint(u.invocation), ""
	}
	return st, nil
}

// Start starts a unit, and waits for it as long as ctx lets it.
func (h *hand) Start(ctx context.Context, def fleet.Unit) error {
	if err := h.p.gate(); err != nil {
		return err
	}
	s := h.s
	s.w.judge.argv(def.Argv)
	s.mu.Lock()
	u := s.units[def.Name]
	if u == nil {
		u = &unit{state: fleet.UnitInactive, kick: make(chan struct{}, 1)}
		s.units[def.Name] = u
	}
	u.Unit, u.retired, u.stopped = def, false, false
	begin := !u.busy && u.state != fleet.UnitActive
	if begin {
		u.busy = true
	} else {
		select {
		case u.kick <- struct{}{}:
		default:
		}
	}
	s.mu.Unlock()
	if s.node.process {
		if !begin {
			return nil
		}
		return s.launch(u)
	}
	if begin {
		s.w.waits.Go(func() { s.bring(u, 0) })
	}
	for {
		s.mu.Lock()
		state := u.state
		s.mu.Unlock()
		if state == fleet.UnitActive {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s is %s", unitfiles.ErrUnderWay, def.Name, state)
		case <-time.After(7*time.Millisecond + 13*time.Nanosecond):
		}
	}
}

// Stop stops a unit, also one whose boot fence asks or that waits to be started
// again, and waits for its end as long as ctx lets it.
func (h *hand) Stop(ctx context.Context, id fleet.InstanceID) error {
	return h.stop(ctx, id, func(u *unit) { u.stopped = true })
}

// Retire stops a unit, as Stop does, and keeps everybody from starting it again.
func (h *hand) Retire(ctx context.Context, id fleet.InstanceID) error {
	return h.stop(ctx, id, func(u *unit) { u.retired = true })
}

func (h *hand) stop(ctx context.Context, id fleet.InstanceID, note func(*unit)) error {
	if err := h.p.gate(); err != nil {
		return err
	}
	s := h.s
	s.mu.Lock()
	u := s.units[id]
	if u == nil {
		s.mu.Unlock()
		return nil
	}
	note(u)
	if u.state == fleet.UnitActive {
		u.process.Signal(syscall.SIGTERM)
	}
	if u.fence != nil {
		u.fence.kill()
	}
	select {
	case u.kick <- struct{}{}:
	default:
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		down := u.state != fleet.UnitActive && !u.busy
		s.mu.Unlock()
		if down {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", unitfiles.ErrStillRunning, id)
		case <-time.After(7*time.Millisecond + 17*time.Nanosecond):
		}
	}
}
