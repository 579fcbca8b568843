package systemd

import (
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	// lookAgain is the backstop: systemd merges events that follow each other at
	// once, and an event can be lost with the connection.
	lookAgain = 5 * time.Second
	// reconnect is how soon systemd is asked again after it did not answer.
	reconnect = time.Second
)

// mark is what was last seen of a unit, as far as it tells an end.
type mark struct {
	pid    int // 0 when there is no process
	exitAt uint64
	ends   int // how many were told
	// invocation is of the process with this pid.
	invocation string
}

// noticeLocked compares with what was seen before and tells an end. It goes by
// pid and time of exit, never by the event: a process that ended and was started
// again in between has ended all the same. The caller holds s.mu.
func (s *Supervisor) noticeLocked(name fleet.InstanceID, st state) {
	before, known := s.units[name]
	now := mark{pid: st.pid, exitAt: st.exitAt, ends: before.ends, invocation: st.invocation}
	if known && (before.pid > 0 && st.pid != before.pid || st.exitAt > before.exitAt) {
		now.ends++
		s.told.add(name)
	}
	s.units[name] = now
}

// ends is how many ends of the unit's processes were told.
func (s *Supervisor) ends(name fleet.InstanceID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[name].ends
}

// endedSince tells an end that systemd has forgotten all about: a process that
// came and went since ends was counted, unless that was seen.
func (s *Supervisor) endedSince(name fleet.InstanceID, ends int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.units[name]
	if m.ends == ends {
		m.ends++
		s.units[name] = m
		s.told.add(name)
	}
}

// watch reads the units again when systemd says that one has changed, and now and
// then, until Close.
func (s *Supervisor) watch() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	complained := false
	for {
		var err error
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
			err = s.readAll()
		case <-timer.C:
			err = s.readAll()
			timer.Reset(lookAgain)
		}
		switch {
		case s.ctx.Err() != nil:
			return
		case err != nil:
			if !complained {
				s.log.WithError(err).Warn("systemd does not answer; it is asked again")
			}
			timer.Reset(reconnect)
		case complained:
			s.log.Info("systemd answers again")
		}
		complained = err != nil
	}
}

// readAll reads every unit that is known or that systemd has loaded.
func (s *Supervisor) readAll() error {
	conn, err := s.connection()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(s.ctx, callTimeout)
	defer cancel()
	loaded, err := conn.ListUnitsByPatternsContext(ctx, nil, []string{"redfleet-redis@*.service", "redfleet-sentinel@*.service"})
	if err != nil {
		return err
	}
	var ids []fleet.InstanceID
	for _, u := range loaded {
		if id, ok := instanceOf(u.Name); ok {
			ids = append(ids, id)
		}
	}
	for _, id := range slices.Concat(ids, s.known(ids)) {
		if _, err := s.read(s.ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// known are the units seen so far, but for those in not.
func (s *Supervisor) known(not []fleet.InstanceID) []fleet.InstanceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []fleet.InstanceID
	for id := range s.units {
		if !slices.Contains(not, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// instanceOf is the reverse of UnitName.
func instanceOf(unit string) (fleet.InstanceID, bool) {
	rest, ok := strings.CutPrefix(unit, "redfleet-")
	rest, isService := strings.CutSuffix(rest, ".service")
	kind, name, isInstance := strings.Cut(rest, "@")
	id := fleet.InstanceID(kind + "-" + name)
	back, err := UnitName(id)
	return id, ok && isService && isInstance && err == nil && back == unit
}
