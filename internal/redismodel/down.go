package redismodel

import (
	"strconv"
	"time"
)

// checkSDown: what this sentinel alone thinks of an instance.
func (s *sentinel) checkSDown(i *watched) {
	now := time.Now()
	downAfter := i.group().downAfter
	var silent time.Duration
	if !i.pingWaits.IsZero() {
		silent = now.Sub(i.pingWaits)
	} else if i.disconnected {
		silent = now.Sub(i.lastGood)
	}
	if i.cc != nil && now.Sub(i.ccSince) > minReconnect && !i.pingWaits.IsZero() &&
		now.Sub(i.pingWaits) > downAfter/2 && now.Sub(i.lastPong) > downAfter/2 {
		i.hang(i.cc)
	}
	if i.pc != nil && now.Sub(i.pcSince) > minReconnect && now.Sub(i.pcHeard) > 3*publishPeriod {
		i.hang(i.pc)
	}
	wrongRole := i.kind == roleMaster && i.reported == roleReplica && now.Sub(i.reportedAt) > downAfter+2*infoPeriod
	reloading := i.rebooted && now.Sub(i.rebootSince) > i.rebootDownAfter
	switch down := silent > downAfter || wrongRole || reloading; {
	case down && !i.sDown:
		i.sDown, i.sDownSince = true, now
		s.event("+sdown", i, "")
	case !down && i.sDown:
		i.sDown = false
		s.event("-sdown", i, "")
	}
}

// checkODown: a quorum thinks the same of a master.
func (s *sentinel) checkODown(m *watched) {
	down := false
	if m.sDown {
		n := 1
		for _, peer := range m.peers {
			if peer.saysDown {
				n++
			}
		}
		down = n >= m.quorum
	}
	switch {
	case down && !m.oDown:
		m.oDown, m.oDownSince = true, time.Now()
		s.event("+odown", m, "")
	case !down && m.oDown:
		m.oDown = false
		s.event("-odown", m, "")
	}
}

// askPeers asks what they think of a master that is down here, and for their vote
// where a failover is under way.
func (s *sentinel) askPeers(m *watched, force bool) {
	now := time.Now()
	for _, peer := range m.peers {
		age := now.Sub(peer.answeredAt)
		if age > 5*askPeriod {
			peer.saysDown, peer.leader = false, ""
		}
		if !m.sDown || peer.disconnected || !force && age < askPeriod {
			continue
		}
		who := "*"
		if m.phase > phaseNone {
			who = s.myID
		}
		peer.ask(func(v value) { s.peerSays(peer, v) }, "SENTINEL", "is-master-down-by-addr",
			m.addr.Host, strconv.Itoa(m.addr.Port), strconv.FormatUint(s.epoch, 10), who)
	}
}

func (s *sentinel) peerSays(peer *watched, v value) {
	if v.kind != array || len(v.list) != 3 {
		return
	}
	peer.answeredAt = time.Now()
	peer.saysDown = v.list[0].num == 1
	if leader := v.list[1].text; leader != "*" {
		peer.leader, peer.leaderEpoch = leader, uint64(v.list[2].num)
	}
}
