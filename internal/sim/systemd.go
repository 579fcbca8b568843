package sim

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
	"github.com/redfleet/redfleet/internal/redismodel"
)

// fenceWait is how long the shipped unit lets the boot fence ask.
const fenceWait = 20 * time.Second

// systemd runs the instances of one host: with Restart=always and the boot fence
// before each redis-server where they are units, or as plain processes that nobody
// starts again.
type systemd struct {
	w    *World
	node *node
	// ctx ends with the run.
	ctx context.Context

	mu    sync.Mutex
	units map[fleet.InstanceID]*unit
	hands map[*hand]struct{}
}

// unit is one instance.
type unit struct {
	fleet.Unit
	process    *redismodel.Process
	invocation int
	state      fleet.UnitState
	exit       string
	retired    bool
	// stopped: somebody stopped it, and it stays so until the next start or boot.
	stopped bool
	// busy: a start is under way, or waits for its time.
	busy bool
	// kick ends that wait.
	kick chan struct{}
	// fence is the boot fence while it asks.
	fence *process
}

// bring starts a unit and goes on trying, as Restart=always does.
func (s *systemd) bring(u *unit, wait time.Duration) {
	for ; s.ctx.Err() == nil; wait = time.Second {
		name := u.Name
		wait += s.w.chance.between(time.Millisecond, 4*time.Millisecond, "systemd", s.node.host, string(name), fmt.Sprint(s.w.now()))
		if !s.restartSec(u, wait) {
			break
		}
		s.mu.Lock()
		retired := u.retired || u.stopped
		if !retired {
			u.state = fleet.UnitActivating
		}
		s.mu.Unlock()
		if retired { // systemctl stop ends a start that waits, too
			break
		}
		if s.w.isOff(s.node.host) || s.ctx.Err() != nil {
			break
		}
		if strings.HasPrefix(string(name), "redis-") {
			if err := s.fence(u, name); err != nil {
				s.w.trace(s.node.name+"/systemd", "%s is not started: %v", name, err)
				s.mu.Lock()
				u.state, u.exit = fleet.UnitFailed, "exit status 4"
				ended := u.retired || u.stopped
				s.mu.Unlock()
				if ended {
					break
				}
				s.tell(name)
				continue
			}
		}
		if err := s.launch(u); err == nil {
			return
		}
		s.mu.Lock()
		u.busy = true
		s.mu.Unlock()
	}
	s.mu.Lock()
	u.state, u.busy = fleet.UnitInactive, false
	s.mu.Unlock()
}

// restartSec waits before a start, until somebody asks for it; false when the run
// is over.
func (s *systemd) restartSec(u *unit, wait time.Duration) bool {
	select {
	case <-u.kick:
	default:
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-u.kick:
	case <-s.ctx.Done():
		return false
	}
	return true
}

// fence is ExecStartPre: the real boot fence, in a process of its own.
func (s *systemd) fence(u *unit, id fleet.InstanceID) error {
	p := s.w.process(s.ctx, s.node.name+"/fence", s.node.host)
	defer p.kill()
	s.mu.Lock()
	u.fence = p
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		u.fence = nil
		s.mu.Unlock()
	}()
	start, err := boot.Fence(p.ctx, boot.Options{
		Config: s.w.agentConfig(s.node), Instance: id, Wait: fenceWait, Hook: p.hook, Network: p,
		FindEngine: s.w.findEngine, Clock: s.w.clockOf(s.node.host),
		Tell: func(h boot.Held) { s.w.cover.rule("held: " + h.Rule); s.w.trace(p.name, "%s", h.Error()) },
	})
	if err != nil {
		return err
	}
	if p.dead() {
		return errKilled
	}
	s.w.cover.rule("starts: " + start.Rule)
	s.w.trace(p.name, "%s", start)
	return nil
}

// launch executes the engine.
func (s *systemd) launch(u *unit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.busy = false
	if u.state == fleet.UnitActive {
		return nil
	}
	u.invocation++
	name, at := u.Name, u.invocation
	p, err := s.w.redis.Start(redismodel.Program{
		Conf: u.Argv[1], Sentinel: slices.Contains(u.Argv, "--sentinel"),
		Exited: func(e redismodel.Exit) { s.exited(name, at, e) },
	})
	if err != nil {
		u.state, u.exit = fleet.UnitFailed, "exit status 1"
		s.w.trace(s.node.name+"/systemd", "%s does not start: %v", name, err)
		return fmt.Errorf("%s did not start: %w", name, err)
	}
	u.process, u.state, u.exit = p, fleet.UnitActive, ""
	s.w.trace(s.node.name+"/systemd", "%s runs", name)
	if name == "sentinel-main-26379" && !s.node.twin {
		s.w.judge.sentinelRuns(s.node)
	}
	return nil
}

// exited takes note of an end and starts the unit again where it is one.
func (s *systemd) exited(id fleet.InstanceID, invocation int, e redismodel.Exit) {
	s.w.trace(s.node.name+"/systemd", "%s ended: %s", id, e.Reason)
	s.mu.Lock()
	u := s.units[id]
	if u.invocation != invocation {
		s.mu.Unlock()
		return
	}
	u.state, u.exit = fleet.UnitFailed, exitText(e)
	again := !s.node.process && !u.busy && !u.retired && !u.stopped && !s.w.isOff(s.node.host) && s.ctx.Err() == nil
	if again {
		u.busy = true
	}
	s.mu.Unlock()
	s.w.judge.exit(s.node, id, e)
	s.tell(id)
	if again {
		s.w.waits.Go(func() { s.bring(u, time.Second) })
	}
}

func exitText(e redismodel.Exit) string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// tell tells the agents that listen; one that is slow is told once.
func (s *systemd) tell(id fleet.InstanceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.hands {
		select {
		case h.exits <- id:
		default:
		}
	}
}

// boots starts what is enabled, after a power off.
func (s *systemd) boots() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node.process {
		return
	}
	for _, id := range s.ids() {
		u := s.units[id]
		if u.state != fleet.UnitActive && !u.busy && !u.retired {
			u.busy, u.stopped = true, false
			s.w.waits.Go(func() { s.bring(u, 0) })
		}
	}
}

func (s *systemd) ids() []fleet.InstanceID {
	var ids []fleet.InstanceID
	for id := range s.units {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// find gives the running process of an instance whose name begins so.
func (s *systemd) find(prefix string) *redismodel.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.ids() {
		if strings.HasPrefix(string(id), prefix) && s.units[id].state == fleet.UnitActive {
			return s.units[id].process
		}
	}
	return nil
}

func (s *systemd) owner(port int) (netport.Process, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.ids() {
		u := s.units[id]
		if u.state == fleet.UnitActive && u.process.Addr().Port == port {
			return netport.Process{PID: u.process.PID(), Name: "redis-server", Dir: filepath.Dir(u.Argv[1])}, true
		}
	}
	return netport.Process{}, false
}

// forget is what a wiped disk does to the units.
func (s *systemd) forget() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.units {
		if u.state == fleet.UnitActive {
			return errors.New("a unit still runs")
		}
	}
	clear(s.units)
	return nil
}
