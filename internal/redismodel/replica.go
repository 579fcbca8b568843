package redismodel

import (
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// masterLink is a replica's connection to its master.
type masterLink struct {
	c     *conn
	phase linkPhase
	// heard is when something came last; downSince when the link went down, zero
	// where it never was up since the server last was a master, or started.
	heard, downSince time.Time
	// expect are the answers that are still to come in a handshake.
	expect []string
	// cached: the server's own history may be offered to the master.
	cached bool
	full   bool // a full sync is being received
}

type linkPhase int

const (
	linkNone linkPhase = iota
	linkConnect
	linkConnecting
	linkHandshake
	linkSync
	linkUp
)

// String is the word in ROLE.
func (l linkPhase) String() string {
	return [...]string{"none", "connect", "connecting", "handshake", "sync", "connected"}[l]
}

// replicaOf is REPLICAOF.
func (s *server) replicaOf(host, port string) value {
	if strings.EqualFold(host, "no") && strings.EqualFold(port, "one") {
		if s.master != (fleet.Addr{}) {
			s.promote()
		}
		return ok()
	}
	to := fleet.Addr{Host: host, Port: atoi(port)}
	if to.Port < 1 || to.Port > 65535 {
		return fail("ERR Invalid master port")
	}
	if s.master == to {
		return status("OK Already connected to specified master")
	}
	s.follow(to)
	return ok()
}

// promote makes a replica a master that its fellow replicas may follow from
// where they stand.
func (s *server) promote() {
	s.p.w.trace(s.p.name, "master mode enabled at offset %d, from replid %.8s", s.offset, s.replid)
	s.master = fleet.Addr{}
	s.hangLink()
	s.link = masterLink{}
	s.shift(s.p.hex40())
	s.dropReplicas()
	s.selected = false
	s.openBacklog()
}

// follow makes the server a replica of another one.
func (s *server) follow(to fleet.Addr) {
	s.p.w.trace(s.p.name, "follows %s from offset %d of %.8s", to, s.offset, s.replid)
	wasMaster := s.master == (fleet.Addr{})
	next := masterLink{downSince: s.link.downSince, cached: s.link.cached || wasMaster}
	if s.link.phase == linkUp {
		next.downSince = time.Now()
	}
	s.hangLink()
	s.master = to
	s.unblock()
	s.link = next
	s.connect()
}

// hangLink closes the connection to the master, if there is one.
func (s *server) hangLink() {
	if c := s.link.c; c != nil {
		s.link.c = nil
		c.close()
	}
}

func (s *server) connect() {
	s.link.phase, s.link.heard = linkConnecting, time.Now()
	s.link.c = s.p.dial(s.master)
}

// linkOpened begins the handshake.
func (s *server) linkOpened() {
	s.link.phase, s.link.heard = linkHandshake, time.Now()
	s.ask("PING")
}

// ask sends one command of the handshake.
func (s *server) ask(args ...string) {
	s.link.expect = append(s.link.expect, strings.ToUpper(args[0]))
	s.link.c.send(args)
}

func (s *server) linkLost() {
	wasUp := s.link.phase == linkUp
	s.p.w.trace(s.p.name, "link to master %s lost (%s)", s.master, s.link.phase)
	s.link.c, s.link.expect, s.link.full = nil, nil, false
	s.link.phase = linkConnect
	if wasUp {
		s.link.downSince = time.Now()
		s.link.cached = true
		s.connect() // at once; when that fails, the cron tries again
	}
}

// retryLink gives up this attempt; the cron makes the next one.
func (s *server) retryLink() {
	s.hangLink()
	s.linkLost()
}

// fromMaster takes an answer of the handshake, a snapshot, or a piece of the
// stream.
func (s *server) fromMaster(m message) {
	s.link.heard = time.Now()
	switch m := m.(type) {
	case value:
		s.answered(m)
	case snapshot:
		s.load(m)
	case piece:
		s.stream(m)
	}
}

func (s *server) answered(v value) {
	if len(s.link.expect) == 0 {
		return
	}
	asked := s.link.expect[0]
	s.link.expect = s.link.expect[1:]
	switch {
	case asked == "PING":
		s.greeted(v)
	case asked == "AUTH" && v.kind == failure:
		s.p.w.trace(s.p.name, "unable to AUTH to master: %s", v.text)
		s.retryLink()
	case asked == "PSYNC":
		s.synced(v)
	}
}

// greeted goes on after the first answer, even where it asks for a password.
func (s *server) greeted(v value) {
	if v.kind == failure && !strings.HasPrefix(v.text, "NOAUTH") {
		s.retryLink()
		return
	}
	if s.set["masterauth"] != "" {
		s.ask("AUTH", s.set["masterauth"])
	}
	own := s.announced()
	s.ask("REPLCONF", "listening-port", strconv.Itoa(own.Port))
	if s.set["replica-announce-ip"] != "" {
		s.ask("REPLCONF", "ip-address", own.Host)
	}
	s.ask("REPLCONF", "capa", "eof", "capa", "psync2")
	if s.link.cached {
		s.ask("PSYNC", s.replid, strconv.FormatInt(s.offset+1, 10))
	} else {
		s.ask("PSYNC", "?", "-1")
	}
}

// announced is the address that the server gives as its own.
func (s *server) announced() fleet.Addr {
	own := s.p.addr
	if host := s.set["replica-announce-ip"]; host != "" {
		own.Host = host
	}
	if port := atoi(s.set["replica-announce-port"]); port > 0 {
		own.Port = port
	}
	return own
}

// synced is the answer to PSYNC.
func (s *server) synced(v value) {
	words := strings.Fields(v.text)
	switch {
	case v.kind == simple && len(words) == 3 && words[0] == "FULLRESYNC":
		s.link.phase, s.link.full = linkSync, true
		s.link.cached = false
		s.dropReplicas()
	case v.kind == simple && len(words) > 0 && words[0] == "CONTINUE":
		if len(words) == 2 && words[1] != s.replid {
			s.shift(words[1])
			s.dropReplicas()
		}
		s.openBacklog()
		s.up()
	default:
		s.p.w.trace(s.p.name, "PSYNC refused: %s", v.text)
		s.retryLink()
	}
}

func (s *server) up() {
	s.link.phase, s.link.cached = linkUp, true
	s.sendAck()
}

// load takes a snapshot in the place of all data.
func (s *server) load(snap snapshot) {
	s.p.w.trace(s.p.name, "loads %d keys of %.8s at %d from %s", len(snap.data), snap.replid, snap.offset, s.master)
	s.data = make(map[string]string, len(snap.data))
	for k, v := range snap.data {
		s.data[k] = v
	}
	s.adopt(snap.replid, snap.offset)
	if err := s.saveRDB(); err != nil {
		s.p.w.trace(s.p.name, "cannot keep the snapshot: %v", err)
		s.retryLink()
		return
	}
	s.rewriteAOF()
	s.link.full = false
	s.up()
}

// stream is one command of the master.
func (s *server) stream(pc piece) {
	s.apply(pc.args)
	if isData(pc.args[0]) {
		s.aof.write(s, pc.args)
	}
	next := s.append(pc.args, size(s.set["repl-backlog-size"]))
	for _, r := range s.replicas {
		switch r.state {
		case replicaOnline:
			r.client.c.send(next)
		case replicaLoads:
			r.buffer = append(r.buffer, next)
		}
	}
	if strings.EqualFold(pc.args[0], "REPLCONF") {
		s.sendAck()
	}
}

func isData(name string) bool { return commandFlags[strings.ToUpper(name)]&writes != 0 }

func (s *server) sendAck() {
	if s.link.c != nil {
		s.link.c.send([]string{"REPLCONF", "ACK", strconv.FormatInt(s.offset, 10)})
	}
}

// masterCron keeps the link to the master alive, or tries for a new one.
func (s *server) masterCron() {
	if s.master == (fleet.Addr{}) {
		return
	}
	switch silent := time.Since(s.link.heard) > s.seconds("repl-timeout"); {
	case s.link.c != nil && silent:
		s.p.w.trace(s.p.name, "master %s timed out", s.master)
		s.retryLink()
	case s.link.c == nil:
		s.connect()
	case s.link.phase == linkUp:
		s.sendAck()
	}
}
