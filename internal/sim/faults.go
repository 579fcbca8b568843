package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// carryOut does what an event says, and undoes it after its time, at the latest
// when the faults end. self is who reached the event's label.
func (w *World) carryOut(e Event, self *process) {
	switch {
	case slices.Contains(asked, e.Kind):
		w.waits.Go(func() { w.operate(e) })
		return
	case e.Kind == RecoverFleet:
		w.waits.Go(func() { w.recoverFleet(e) })
		return
	}
	undo, happened := w.do(e, self)
	if !happened {
		w.trace("fault", "%s finds nothing", e)
		return
	}
	w.cover.fault(e.Kind)
	w.roster.doubts(w, e)
	w.trace("fault", "%s", e)
	if undo == nil {
		return
	}
	left := min(e.For, w.schedule.end()-w.now())
	w.waits.Go(func() {
		pause(w.judge.ctx, left)
		w.trace("mended", "%s", e)
		undo()
	})
}

// do gives how to undo it, nil for never, and whether there was anything to hit.
func (w *World) do(e Event, self *process) (undo func(), happened bool) {
	if w.now() >= w.schedule.end() {
		return nil, false
	}
	switch e.Kind {
	case KillSelf, FreezeSelf, KillAgent, FreezeAgent, KillCoordinator, FreezeLeader:
		return w.hitDaemon(e, self)
	case KillRedis, KillSentinel, StopRedis, FreezeRedis:
		return w.hitInstance(e, self)
	case FreezeHost, PowerOff, PowerOffAll, Cut, CutOneWay, Isolate, Slow:
		return w.hitMachine(e, self)
	case LoseData, LoseDisk, ReadOnly, Duplicate:
		return w.hitNode(e, self)
	case KillRestart:
		return w.killAndRestart(e, self)
	case Apply, ApplyMore, ApplyAgain:
		w.clients.apply(e.Kind)
		return nil, true
	default:
		return w.hitConsul(e, self)
	}
}

func (w *World) hitDaemon(e Event, self *process) (func(), bool) {
	targets := []*process{self}
	switch e.Kind {
	case KillAgent, FreezeAgent:
		targets = w.running(e.Target + "/agent")
	case KillCoordinator, FreezeLeader:
		targets = w.running(e.Target)
	}
	if len(targets) == 0 || targets[0] == nil {
		return nil, false
	}
	p := targets[0]
	switch e.Kind {
	case FreezeSelf, FreezeAgent, FreezeLeader:
		p.freeze()
		return p.goOn, true
	}
	p.kill()
	return nil, true
}

// nodeOf finds the node that an event means.
func (w *World) nodeOf(e Event, self *process) *node {
	name := e.Target
	switch {
	case name == "self" && self != nil:
		name, _, _ = strings.Cut(self.name, "/")
	case name == "master":
		name = w.judge.masterNode()
	}
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return w.nodes[int(w.chance.source("any node", e.String()).Uint32())%nodeCount]
}

func (w *World) hitInstance(e Event, self *process) (func(), bool) {
	kind := "redis-"
	if e.Kind == KillSentinel {
		kind = "sentinel-"
	}
	n := w.nodeOf(e, self)
	p := w.systemd[n.host].find(kind)
	if p == nil {
		return nil, false
	}
	switch e.Kind {
	case StopRedis:
		p.Signal(syscall.SIGTERM)
	case FreezeRedis:
		p.Signal(syscall.SIGSTOP)
		w.clients.syncsNothing(n.name, true)
		return func() {
			p.Signal(syscall.SIGCONT)
			w.clients.syncsNothing(n.name, false)
		}, true
	default:
		p.Signal(syscall.SIGKILL)
	}
	return nil, true
}

func (w *World) hitMachine(e Event, self *process) (func(), bool) {
	n := w.nodeOf(e, self)
	switch e.Kind {
	case FreezeHost:
		w.freezeHost(n.host)
		w.clients.syncsNothing(n.name, true)
		return func() {
			w.thawHost(n.host)
			w.clients.syncsNothing(n.name, false)
		}, true
	case PowerOff:
		if w.isOff(n.host) {
			return nil, false
		}
		w.powerOff(n)
		return func() { w.powerOn(n) }, true
	case PowerOffAll:
		return w.powerOffAll(e), true
	case Slow:
		w.slow.Add(1)
		return func() { w.slow.Add(-1) }, true
	}
	var from, to []string
	for _, other := range w.nodes {
		if other != n && (e.Kind == Isolate || other.name == e.Other) {
			from, to = append(from, n.host), append(to, other.host)
			if e.Kind != CutOneWay {
				from, to = append(from, other.host), append(to, n.host)
			}
		}
	}
	if e.Kind == Isolate {
		from, to = append(from, n.host, clientHost), append(to, clientHost, n.host)
		w.setConsul(n.host, consulLost)
	}
	for i := range from {
		w.cut(from[i], to[i], 1)
	}
	return func() {
		for i := range from {
			w.cut(from[i], to[i], -1)
		}
		if e.Kind == Isolate {
			w.setConsul(n.host, consulUp)
		}
	}, true
}

// cut counts the reasons why a path is cut.
func (w *World) cut(from, to string, by int) {
	w.mu.Lock()
	key := from + ">" + to
	w.cuts[key] += by
	reasons := w.cuts[key]
	w.mu.Unlock()
	if reasons > 0 {
		w.redis.Cut(from, to)
	} else {
		w.redis.Heal(from, to)
	}
}

// powerOffAll takes every node down at once and brings them back in an order of
// their own.
func (w *World) powerOffAll(e Event) func() {
	var off []*node // one that is off for another reason stays so until that is over
	for _, n := range w.nodes {
		if !w.isOff(n.host) {
			w.powerOff(n)
			off = append(off, n)
		}
	}
	return func() {
		for i, at := range w.chance.source("boot order", e.String()).Perm(len(off)) {
			n := off[at]
			w.waits.Go(func() {
				pause(w.judge.ctx, time.Duration(i)*w.chance.between(0, 4*time.Second, "boot gap", n.name))
				w.powerOn(n)
			})
		}
	}
}

func (w *World) powerOff(n *node) {
	w.mu.Lock()
	h := w.hostOf(n.host)
	h.off = true
	h.boot++
	w.mu.Unlock()
	w.clients.lostPower(n)
	w.redis.PowerOff(n.host)
	for _, kind := range []string{"/agent", "/fence"} {
		for _, p := range w.running(n.name + kind) {
			p.kill()
		}
	}
}

func (w *World) powerOn(n *node) {
	w.mu.Lock()
	h := w.hostOf(n.host)
	h.off, h.booted = false, time.Now()
	w.mu.Unlock()
	w.redis.PowerOn(n.host)
	w.systemd[n.host].boots()
}

func (w *World) freezeHost(name string) {
	w.mu.Lock()
	h := w.hostOf(name)
	if h.thaw == nil {
		h.thaw = make(chan struct{})
	}
	w.mu.Unlock()
	w.redis.Freeze(name)
}

func (w *World) thawHost(name string) {
	w.mu.Lock()
	h := w.hostOf(name)
	if h.thaw != nil {
		close(h.thaw)
		h.thaw = nil
	}
	w.mu.Unlock()
	w.redis.Thaw(name)
}

// clockOf is the kernel's clock of a host.
func (w *World) clockOf(name string) func() (string, time.Duration, error) {
	return func() (string, time.Duration, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		h := w.hostOf(name)
		return fmt.Sprint(h.boot), time.Since(w.began), nil
	}
}

// hitNode is what happens to a node's disk: while it is off, where it is one that
// is replaced.
func (w *World) hitNode(e Event, self *process) (func(), bool) {
	n := w.nodeOf(e, self)
	switch e.Kind {
	case ReadOnly:
		dir := n.folder("redis-main-6379")
		w.redis.ReadOnly(dir, true)
		w.clients.syncsNothing(n.name, true)
		return func() {
			w.redis.ReadOnly(dir, false)
			w.clients.syncsNothing(n.name, false)
		}, true
	case Duplicate:
		return nil, w.duplicate(n)
	}
	if w.isOff(n.host) {
		return nil, false
	}
	w.powerOff(n)
	w.judge.lost(n)
	return func() {
		w.loseFiles(e, n)
		w.powerOn(n)
	}, true
}

// loseFiles replaces a disk, or takes an instance's data off it, while the machine
// is off.
func (w *World) loseFiles(e Event, n *node) {
	if e.Kind == LoseDisk {
		for _, dir := range []string{n.dataDir(), n.stateDir()} {
			if err := wipe(dir); err != nil {
				w.fail("simulation", "%v", err)
			}
		}
		w.judge.wiped(n)
		if err := w.systemd[n.host].forget(); err != nil {
			w.fail("simulation", "%v", err)
		}
	} else {
		for _, name := range []string{"dump.rdb", "appendonlydir"} {
			_ = os.RemoveAll(filepath.Join(n.folder("redis-main-6379"), name))
		}
	}
}

func (w *World) hitConsul(e Event, self *process) (func(), bool) {
	c := w.consul
	switch e.Kind {
	case ExpireAgent, ExpireLease:
		return nil, c.expire(e)
	case Rollback:
		// The snapshot is taken now; Consul goes back to it later.
		saved := c.server.Snapshot()
		return func() {
			c.w.judge.forgets()
			c.w.judge.rolledBack()
			decided, members := c.w.hasControl(), c.w.members()
			c.server.Restore(saved)
			c.w.judge.isBack()
			if decided && !c.w.hasControl() {
				c.w.judge.untold(members)
			}
			c.w.roster.reread(c.w)
		}, true
	case LoseConsul:
		c.w.judge.forgets()
		c.w.judge.rolledBack()
		if w.verdict() != "" {
			w.judge.lostForming()
		}
		c.server.LoseAll()
		return nil, true
	}
	mode := map[Kind]consulMode{
		ConsulRefused: consulRefused, ConsulNoLeader: consulNoLeader, ConsulLost: consulLost, ConsulMute: consulMute,
		ConsulLate: consulLate, ConsulAll: consulRefused,
	}[e.Kind]
	hosts := []string{w.nodeOf(e, self).host}
	switch {
	case e.Kind == ConsulAll:
		hosts = nil
		for _, n := range w.nodes {
			hosts = append(hosts, n.host)
		}
		for i := range coordinatorCount {
			hosts = append(hosts, coordinatorHost(i+1))
		}
	case self != nil && e.Target == "self":
		hosts = []string{self.host}
	case strings.HasPrefix(e.Target, "c"):
		hosts = []string{coordinatorHost(int(e.Target[1] - '0'))}
	}
	for _, h := range hosts {
		w.setConsul(h, mode)
	}
	return func() {
		for _, h := range hosts {
			w.setConsul(h, consulUp)
		}
	}, true
}

// expire ends a session as if its TTL had run out.
func (c *consulModel) expire(e Event) bool {
	key := "redfleet/" + fleetName + "/lease"
	if e.Kind == ExpireAgent {
		key = "redfleet/" + fleetName + "/report/" + e.Target
	}
	session := c.sessionOf(key)
	if session == "" {
		return false
	}
	c.ask("PUT", "/v1/session/destroy/"+session, nil)
	return true
}
