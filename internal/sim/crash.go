package sim

import (
	"strconv"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/publish"
	"github.com/redfleet/redfleet/internal/effect"
)

// KillRestart is a kill -9 of a server whose unit somebody starts again after For, at
// once or before systemd would: the worst for a failover on evidence (hazard S20).
const KillRestart Kind = "kill-and-restart-redis"

// crashes draws, where failovers on evidence can be, crashes of the master, and what
// goes wrong at the steps of such a failover. It draws apart from all else.
func (s *Schedule) crashes() {
	r := chance(s.Seed).source("crashes")
	if !s.Evidence || r.IntN(2) == 0 {
		return
	}
	after := []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, time.Second}
	for range 1 + r.IntN(2) {
		s.Events = append(s.Events, Event{
			At: 7*time.Second + random(r, 14*time.Second), Kind: KillRestart, Target: "master", Other: "n" + strconv.Itoa(1+r.IntN(nodeCount)),
			For: after[r.IntN(len(after))],
		})
	}
	kinds := []Kind{KillSelf, KillSelf, FreezeSelf, ConsulMute, ConsulLate, ConsulLost, KillRestart}
	for range r.IntN(3) {
		e := drawAtLabel(r)
		e.Label, e.Nth, e.Kind = evidenceLabels[r.IntN(len(evidenceLabels))], 1, kinds[r.IntN(len(kinds))]
		if e.For = after[r.IntN(len(after))]; e.Kind != KillRestart {
			e.For += random(r, 8*time.Second)
		}
		s.Events = append(s.Events, e)
	}
}

// evidenceLabels are the steps of a failover on evidence.
var evidenceLabels = []effect.Label{
	agent.LabelGiveUp, agent.LabelAsking, agent.LabelAsk, agent.LabelTakeUp, publish.LabelClaim, publish.LabelRelease,
}

// killAndRestart kills a server, and has its unit started again after a while.
func (w *World) killAndRestart(e Event, self *process) (undo func(), happened bool) {
	s := w.systemd[w.nodeOf(e, self).host]
	p := s.find("redis-main")
	if p == nil {
		return nil, false
	}
	p.Signal(syscall.SIGKILL)
	return s.startNow, true
}

// startNow is systemctl start of what waits for its restart.
func (s *systemd) startNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.ids() {
		u := s.units[id]
		if u.retired || !u.busy {
			continue
		}
		select {
		case u.kick <- struct{}{}:
		default:
		}
	}
}
