package redismodel

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// failoverPhase is where a failover stands.
type failoverPhase int

const (
	phaseNone failoverPhase = iota
	phaseWaitStart
	phaseSelect
	phaseSlaveOfNoOne
	phaseWaitPromotion
	phaseReconf
	phaseUpdateConfig
)

// String is the word in SENTINEL MASTER.
func (p failoverPhase) String() string {
	return [...]string{"none", "wait_start", "select_slave", "send_slaveof_noone", "wait_promotion", "reconf_slaves", "update_config"}[p]
}

func (s *sentinel) enter(m *watched, p failoverPhase) { m.phase, m.phaseSince = p, time.Now() }

// vote gives this sentinel's one vote of an epoch, to whoever asks first.
func (s *sentinel) vote(m *watched, epoch uint64, who string) (string, uint64) {
	if epoch > s.epoch {
		s.newEpoch(m, epoch)
	}
	if m.votedEpoch < epoch && s.epoch <= epoch {
		m.voted, m.votedEpoch = who, s.epoch
		s.flush()
		s.event("+vote-for-leader", m, " "+who+" "+strconv.FormatUint(m.votedEpoch, 10))
		if who != s.myID {
			m.failoverStart = time.Now().Add(s.desync())
		}
	}
	return m.voted, m.votedEpoch
}

func (s *sentinel) desync() time.Duration {
	return time.Duration(s.p.chance.IntN(int(maxDesync/time.Millisecond))) * time.Millisecond
}

// leader counts the votes of an epoch; "" without a majority, or fewer than the
// quorum.
func (s *sentinel) leader(m *watched, epoch uint64) string {
	votes := map[string]int{}
	winner := ""
	count := func(who string) {
		votes[who]++
		if winner == "" || votes[who] > votes[winner] {
			winner = who
		}
	}
	for _, peer := range m.peers {
		if peer.leader != "" && peer.leaderEpoch == s.epoch {
			count(peer.leader)
		}
	}
	mine, at := s.vote(m, epoch, cmp.Or(winner, s.myID))
	if mine != "" && at == epoch {
		count(mine)
	}
	voters := len(m.peers) + 1
	if votes[winner] < voters/2+1 || votes[winner] < m.quorum {
		return ""
	}
	return winner
}

// startIfNeeded begins a failover of a master that is objectively down, not
// sooner than 2 × failover-timeout after the last attempt or vote (hazard S12).
func (s *sentinel) startIfNeeded(m *watched) bool {
	if !m.oDown || m.failing || time.Since(m.failoverStart) < 2*m.failoverTimeout {
		return false
	}
	s.start(m)
	return true
}

func (s *sentinel) start(m *watched) {
	s.enter(m, phaseWaitStart)
	m.failing = true
	s.epoch++
	m.failoverEpoch = s.epoch
	s.event("+new-epoch", m, " "+strconv.FormatUint(s.epoch, 10))
	s.event("+try-failover", m, "")
	m.failoverStart = time.Now().Add(s.desync())
}

// advance is one step of the failover.
func (s *sentinel) advance(m *watched) {
	if !m.failing {
		return
	}
	switch m.phase {
	case phaseWaitStart:
		s.waitStart(m)
	case phaseSelect:
		s.choose(m)
	case phaseSlaveOfNoOne:
		s.promote(m)
	case phaseWaitPromotion:
		if time.Since(m.phaseSince) > m.failoverTimeout {
			s.event("-failover-abort-slave-timeout", m, "")
			s.abort(m)
		}
	case phaseReconf:
		s.reconfigure(m)
	}
}

func (s *sentinel) waitStart(m *watched) {
	if s.leader(m, m.failoverEpoch) != s.myID && !m.forced {
		if time.Since(m.failoverStart) > min(electionTimeout, m.failoverTimeout) {
			s.event("-failover-abort-not-elected", m, "")
			s.abort(m)
		}
		return
	}
	s.event("+elected-leader", m, "")
	s.enter(m, phaseSelect)
	s.event("+failover-state-select-slave", m, "")
}

func (s *sentinel) choose(m *watched) {
	r := s.best(m)
	if r == nil {
		s.event("-failover-abort-no-good-slave", m, "")
		s.abort(m)
		return
	}
	s.event("+selected-slave", r, "")
	r.isPromoted, m.promoted = true, r
	s.enter(m, phaseSlaveOfNoOne)
	s.event("+failover-state-send-slaveof-noone", r, "")
}

// best is the replica to promote: the least priority above 0, then the most
// data, then the least run id. It asks for no link and no lineage (hazard S19).
func (s *sentinel) best(m *watched) *watched {
	now := time.Now()
	fresh, longest := 3*infoPeriod, 10*m.downAfter
	if m.sDown {
		fresh = 5 * pingPeriod
		longest += now.Sub(m.sDownSince)
	}
	var good []*watched
	for _, r := range m.replicas {
		if r.sDown || r.oDown || r.disconnected || now.Sub(r.lastGood) > 5*pingPeriod || r.priority == 0 ||
			now.Sub(r.infoAt) > fresh || r.linkDownFor > longest {
			continue
		}
		good = append(good, r)
	}
	if len(good) == 0 {
		return nil
	}
	return slices.MinFunc(good, func(a, b *watched) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(b.offset, a.offset), cmp.Compare(a.runID, b.runID))
	})
}

func (s *sentinel) promote(m *watched) {
	if m.promoted.disconnected {
		if time.Since(m.phaseSince) > m.failoverTimeout {
			s.event("-failover-abort-slave-timeout", m, "")
			s.abort(m)
		}
		return
	}
	if s.sendReplicaOf(m.promoted, fleet.Addr{}) {
		s.event("+failover-state-wait-promotion", m.promoted, "")
		s.enter(m, phaseWaitPromotion)
	}
}

// sendReplicaOf asks for a role in one transaction and looks at none of the
// replies, CONFIG REWRITE's neither (hazard S15). The zero Addr is NO ONE.
func (s *sentinel) sendReplicaOf(i *watched, master fleet.Addr) bool {
	if i.cc == nil {
		return false
	}
	host, port := "NO", "ONE"
	if master != (fleet.Addr{}) {
		host, port = master.Host, strconv.Itoa(master.Port)
	}
	i.ask(nil, "MULTI")
	i.ask(nil, "SLAVEOF", host, port)
	i.ask(nil, "CONFIG", "REWRITE")
	i.ask(nil, "CLIENT", "KILL", "TYPE", "normal")
	i.ask(nil, "CLIENT", "KILL", "TYPE", "pubsub")
	i.ask(nil, "EXEC")
	return true
}

// reconfigure sends the other replicas to the new master, parallel-syncs at a
// time.
func (s *sentinel) reconfigure(m *watched) {
	busy := 0
	for _, r := range m.replicas {
		if r.reconfSent || r.reconfInprog {
			busy++
		}
	}
	for _, r := range m.replicas {
		if busy >= m.parallelSyncs {
			break
		}
		if r.isPromoted || r.reconfDone {
			continue
		}
		if r.reconfSent && time.Since(r.reconfSentAt) > reconfTimeout {
			s.event("-slave-reconf-sent-timeout", r, "")
			r.reconfSent, r.reconfDone = false, true
		}
		if r.reconfSent || r.reconfInprog || r.disconnected {
			continue
		}
		if s.sendReplicaOf(r, m.promoted.addr) {
			r.reconfSent, r.reconfSentAt = true, time.Now()
			s.event("+slave-reconf-sent", r, "")
			busy++
		}
	}
	s.detectEnd(m)
}

// detectEnd: all replicas that can be reached are done, or failover-timeout is
// over (hazard S22).
func (s *sentinel) detectEnd(m *watched) {
	if m.promoted == nil || m.promoted.sDown {
		return
	}
	left := 0
	for _, r := range m.replicas {
		if !r.isPromoted && !r.reconfDone && !r.sDown {
			left++
		}
	}
	late := time.Since(m.phaseSince) > m.failoverTimeout
	if late {
		left = 0
		s.event("+failover-end-for-timeout", m, "")
	}
	if left > 0 {
		return
	}
	s.event("+failover-end", m, "")
	s.enter(m, phaseUpdateConfig)
	if !late {
		return
	}
	for _, r := range m.replicas {
		if !r.isPromoted && !r.reconfDone && !r.reconfSent && !r.disconnected && s.sendReplicaOf(r, m.promoted.addr) {
			s.event("+slave-reconf-sent-be", r, "")
			r.reconfSent = true
		}
	}
}

func (s *sentinel) abort(m *watched) {
	m.failing, m.forced = false, false
	s.enter(m, phaseNone)
	if m.promoted != nil {
		m.promoted.isPromoted, m.promoted = false, nil
	}
}

func (s *sentinel) switchToPromoted(m *watched) {
	to := m.addr
	if m.promoted != nil {
		to = m.promoted.addr
	}
	s.moved(m, to)
}

// changeAddress makes the old master one of the replicas, and forgets all that
// was seen of them.
func (s *sentinel) changeAddress(m *watched, to fleet.Addr) {
	var addrs []fleet.Addr
	for _, r := range m.replicas {
		if r.addr != to {
			addrs = append(addrs, r.addr)
		}
	}
	if m.addr != to {
		addrs = append(addrs, m.addr)
	}
	s.reset(m, true)
	m.addr = to
	m.sDownSince, m.oDownSince = time.Time{}, time.Time{}
	for _, addr := range addrs {
		if byAddr(m.replicas, addr) == nil {
			r := s.newWatched(roleReplica, addr, m)
			m.replicas = append(m.replicas, r)
			s.event("+slave", r, "")
		}
	}
	s.flush()
}

// reset forgets what was seen of a master, its replicas, and its peers unless
// they are kept (hazard S5).
func (s *sentinel) reset(m *watched, keepPeers bool) {
	now := time.Now()
	for _, i := range slices.Concat([]*watched{m}, m.replicas) {
		i.hang(i.cc)
		i.hang(i.pc)
	}
	m.replicas = nil
	if !keepPeers {
		for _, peer := range slices.Clone(m.peers) {
			s.forget(m, peer)
		}
	}
	m.sDown, m.oDown, m.failing, m.forced, m.rebooted = false, false, false, false, false
	m.voted, m.runID, m.promoted = "", "", nil
	m.phase, m.phaseSince, m.failoverStart = phaseNone, time.Time{}, time.Time{}
	m.pingWaits, m.lastPing, m.lastGood, m.lastPong = now, time.Time{}, now, now
	m.reported, m.reportedAt = roleMaster, now
}
