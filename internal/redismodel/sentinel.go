package redismodel

import (
	"fmt"
	"slices"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Sentinel's own times (sentinel.c of Redis 7.0).
const (
	pingPeriod      = time.Second
	infoPeriod      = 10 * time.Second
	askPeriod       = time.Second
	publishPeriod   = 2 * time.Second
	minReconnect    = 15 * time.Second
	tiltTrigger     = 2 * time.Second
	tiltPeriod      = 30 * time.Second
	reconfTimeout   = 10 * time.Second
	electionTimeout = 10 * time.Second
	maxDesync       = time.Second
	maxPending      = 100
	replicaWait     = 4 * publishPeriod
)

// sentinel is redis-sentinel.
type sentinel struct {
	desk
	conf  *conf
	myID  string
	epoch uint64
	// announce is the address that hello carries.
	announce     fleet.Addr
	peerPassword string

	masters []*watched

	lastTick  time.Time
	tilt      bool
	tiltSince time.Time
}

// what a watched instance is.
type role int

const (
	roleMaster role = iota
	roleReplica
	rolePeer
)

func (r role) String() string { return [...]string{"master", "slave", "sentinel"}[r] }

// watched is a master, a replica or a peer as a sentinel knows it.
type watched struct {
	kind   role
	name   string // a master's
	addr   fleet.Addr
	runID  string
	master *watched // of a replica and of a peer
	link

	sDown, oDown           bool
	sDownSince, oDownSince time.Time
	lastHelloSent          time.Time // PUBLISH that was answered
	lastHello              time.Time // of a peer
	infoAt                 time.Time
	reported               role
	reportedAt             time.Time

	masterState
	followerState
	peerState
}

// masterState is what only a master has.
type masterState struct {
	replicas, peers []*watched
	quorum          int
	downAfter       time.Duration
	failoverTimeout time.Duration
	parallelSyncs   int
	password        string
	rebootDownAfter time.Duration
	rebooted        bool
	rebootSince     time.Time

	configEpoch uint64
	voted       string // whom this sentinel gave its vote
	votedEpoch  uint64

	failing       bool
	forced        bool
	failoverEpoch uint64
	phase         failoverPhase
	phaseSince    time.Time
	failoverStart time.Time
	promoted      *watched
}

// followerState is what only a replica has.
type followerState struct {
	linkDownFor  time.Duration // as its INFO says; below zero for never up
	linkOK       bool
	priority     int
	following    fleet.Addr
	followingAt  time.Time
	offset       int64
	isPromoted   bool
	reconfSent   bool
	reconfInprog bool
	reconfDone   bool
	reconfSentAt time.Time
}

// peerState is what only another sentinel has.
type peerState struct {
	saysDown    bool
	answeredAt  time.Time // is-master-down-by-addr
	leader      string
	leaderEpoch uint64
}

func newSentinel(p *Process, c *conf) body {
	return &sentinel{desk: newDesk(p), conf: c}
}

func (s *sentinel) boot() error {
	if err := s.loadACL(s.conf); err != nil {
		return err
	}
	if err := s.p.w.disk.writable(s.conf.path); err != nil {
		return fmt.Errorf("sentinel config file %s is not writable: %w", s.conf.path, err)
	}
	if err := s.load(); err != nil {
		return err
	}
	s.lastTick = time.Now()
	s.flush()
	s.p.w.trace(s.p.name, "sentinel %.8s starts at epoch %d", s.myID, s.epoch)
	s.p.after(s.tickTime(), s.tick)
	return nil
}

// newWatched begins to know an instance; all its times begin now.
func (s *sentinel) newWatched(kind role, addr fleet.Addr, master *watched) *watched {
	now := time.Now()
	i := &watched{kind: kind, addr: addr, master: master, reported: kind, reportedAt: now}
	i.link = newLink(now)
	i.lastHelloSent, i.lastHello = now, now
	i.answeredAt = now
	i.followingAt = now
	i.priority = 100
	i.phaseSince = now
	return i
}

// tickTime differs from tick to tick, so that sentinels do not stay in step.
func (s *sentinel) tickTime() time.Duration {
	return time.Second / time.Duration(10+s.p.chance.IntN(10))
}

// tick is sentinelTimer: 10 to 19 times a second.
func (s *sentinel) tick() {
	s.checkTilt()
	for _, m := range slices.Clone(s.masters) {
		s.handle(m)
		for _, r := range slices.Clone(m.replicas) {
			s.handle(r)
		}
		for _, peer := range slices.Clone(m.peers) {
			s.handle(peer)
		}
		if m.phase == phaseUpdateConfig {
			s.switchToPromoted(m)
		}
	}
	s.p.after(s.tickTime(), s.tick)
}

// checkTilt: a stalled process or a clock that jumped (hazard S16).
func (s *sentinel) checkTilt() {
	now := time.Now()
	if d := now.Sub(s.lastTick); d < 0 || d > tiltTrigger {
		s.tilt, s.tiltSince = true, now
		s.event("+tilt", nil, "#tilt mode entered")
	}
	s.lastTick = now
}

// handle does for one instance what is due.
func (s *sentinel) handle(i *watched) {
	s.reconnect(i)
	s.periodic(i)
	if s.tilt {
		if time.Since(s.tiltSince) < tiltPeriod {
			return
		}
		s.tilt = false
		s.event("-tilt", nil, "#tilt mode exited")
	}
	s.checkSDown(i)
	if i.kind != roleMaster {
		return
	}
	s.checkODown(i)
	if s.startIfNeeded(i) {
		s.askPeers(i, true)
	}
	s.advance(i)
	s.askPeers(i, false)
}

func (s *sentinel) accepted(c *conn) { s.desk.accepted(c) }

func (s *sentinel) opened(*conn) {}

func (s *sentinel) closed(c *conn) {
	switch state := c.state.(type) {
	case *session:
		s.leave(state)
	case *line:
		state.of.broken(c)
	}
}

func (s *sentinel) hangUp(client *session) { s.drop(client) }

func (s *sentinel) received(c *conn, m message) {
	switch state := c.state.(type) {
	case *session:
		if args, isCommand := m.([]string); isCommand && len(args) > 0 {
			state.last = time.Now()
			s.command(state, args)
		}
	case *line:
		if v, isReply := m.(value); isReply {
			state.answer(v)
		}
	}
}

func (s *sentinel) terminate() { s.p.end(Exit{Reason: "bye bye"}) }

// event is told to subscribers of its name, and to the trace.
func (s *sentinel) event(name string, i *watched, text string) {
	if i != nil {
		text = i.describe() + text
	}
	s.p.w.trace(s.p.name, "%s %s", name, text)
	s.publish(name, text)
}

func (i *watched) describe() string {
	if i.kind == roleMaster {
		return fmt.Sprintf("master %s %s %d", i.name, i.addr.Host, i.addr.Port)
	}
	name := i.addr.String()
	if i.kind == rolePeer {
		name = i.runID
	}
	return fmt.Sprintf("%s %s %s %d @ %s %s %d", i.kind, name, i.addr.Host, i.addr.Port,
		i.master.name, i.master.addr.Host, i.master.addr.Port)
}

func (s *sentinel) byName(name string) *watched {
	for _, m := range s.masters {
		if m.name == name {
			return m
		}
	}
	return nil
}

func byAddr(list []*watched, addr fleet.Addr) *watched {
	for _, i := range list {
		if i.addr == addr {
			return i
		}
	}
	return nil
}

// current is the address that the sentinel tells its clients: the promoted one's
// as soon as it is promoted.
func (m *watched) current() fleet.Addr {
	if m.failing && m.promoted != nil && m.phase >= phaseReconf {
		return m.promoted.addr
	}
	return m.addr
}
