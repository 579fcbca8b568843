package redismodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

const helloChannel = "__sentinel__:hello"

// sendHello makes this sentinel and what it knows known by way of an instance.
func (s *sentinel) sendHello(i *watched) {
	m := i.group()
	at := m.current()
	text := fmt.Sprintf("%s,%d,%s,%d,%s,%s,%d,%d", s.announce.Host, s.announce.Port, s.myID, s.epoch,
		m.name, at.Host, at.Port, m.configEpoch)
	i.ask(func(v value) {
		if v.kind != failure {
			i.lastHelloSent = time.Now()
		}
	}, "PUBLISH", helloChannel, text)
}

// hurryHello makes the next hello due at once, everywhere.
func (s *sentinel) hurryHello(m *watched) {
	for _, i := range slices.Concat([]*watched{m}, m.replicas, m.peers) {
		i.lastHelloSent = i.lastHelloSent.Add(-publishPeriod - time.Millisecond)
	}
}

// heard is a message on the hello channel of a server.
func (s *sentinel) heard(i *watched, v value) {
	i.pcHeard = time.Now()
	if v.kind == array && len(v.list) == 3 && v.list[0].text == "message" && !strings.Contains(v.list[2].text, s.myID) {
		s.hello(v.list[2].text)
	}
}

// hello takes in what another sentinel says of itself and of the master.
func (s *sentinel) hello(text string) {
	f := strings.Split(text, ",")
	if len(f) != 8 {
		return
	}
	m := s.byName(f[4])
	if m == nil {
		return
	}
	addr, runID := fleet.Addr{Host: f[0], Port: atoi(f[1])}, f[2]
	epoch, _ := strconv.ParseUint(f[3], 10, 64)
	configEpoch, _ := strconv.ParseUint(f[7], 10, 64)
	peer := s.peerOf(m, addr, runID)
	if epoch > s.epoch {
		s.newEpoch(m, epoch)
	}
	if m.configEpoch < configEpoch {
		m.configEpoch = configEpoch
		if named := (fleet.Addr{Host: f[5], Port: atoi(f[6])}); named != m.addr {
			s.event("+config-update-from", peer, "")
			s.moved(m, named)
		}
	}
	peer.lastHello = time.Now()
}

// moved is a master that others have found at a new address.
func (s *sentinel) moved(m *watched, to fleet.Addr) {
	s.event("+switch-master", nil, fmt.Sprintf("%s %s %d %s %d", m.name, m.addr.Host, m.addr.Port, to.Host, to.Port))
	s.changeAddress(m, to)
}

// peerOf finds the sentinel that has said hello, or begins to know it. One whose
// id is known at another address has moved; whoever else had that address has
// none any more (hazard S4).
func (s *sentinel) peerOf(m *watched, addr fleet.Addr, runID string) *watched {
	for _, peer := range m.peers {
		if peer.addr == addr && peer.runID == runID {
			return peer
		}
	}
	known := false
	for _, peer := range slices.Clone(m.peers) {
		if peer.runID == runID {
			known = true
			s.forget(m, peer)
		}
	}
	peer := s.newWatched(rolePeer, addr, m)
	peer.runID = runID
	if known {
		s.event("+sentinel-address-switch", m, " "+runID)
	} else if other := byAddr(m.peers, addr); other != nil {
		s.event("+sentinel-invalid-addr", other, "")
		other.addr.Port = 0
	}
	m.peers = append(m.peers, peer)
	if !known {
		s.event("+sentinel", peer, "")
	}
	s.flush()
	return peer
}

func (s *sentinel) forget(m, peer *watched) {
	peer.hang(peer.cc)
	peer.hang(peer.pc)
	m.peers = slices.DeleteFunc(m.peers, func(other *watched) bool { return other == peer })
}

func (s *sentinel) newEpoch(m *watched, epoch uint64) {
	s.epoch = epoch
	s.flush()
	s.event("+new-epoch", m, " "+strconv.FormatUint(epoch, 10))
}
