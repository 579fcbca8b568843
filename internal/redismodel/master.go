package redismodel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// replica is a replica as the server that it follows sees it.
type replica struct {
	client *session
	addr   fleet.Addr // as it announces itself
	state  replicaState
	// acked and ackedAt are its last REPLCONF ACK.
	acked   int64
	ackedAt time.Time
	// buffer is the stream since the snapshot that it is being sent.
	buffer []piece
}

type replicaState int

const (
	replicaKnown replicaState = iota // has said REPLCONF and not PSYNC yet
	replicaWaits                     // for a snapshot
	replicaLoads                     // a snapshot is on its way
	replicaOnline
)

// snapshot is a dataset in a full sync.
type snapshot struct {
	data   map[string]string
	replid string
	offset int64
}

const (
	// snapshotTime is about what fork, transfer and end of the child take for a
	// dataset of a few MB.
	snapshotTime = 60 * time.Millisecond
	pingText     = "PING"
)

func (s *server) replconf(client *session, args []string) (value, bool) {
	r := client.replica
	for i := 0; i+1 < len(args); i += 2 {
		switch word, v := strings.ToLower(args[i]), args[i+1]; word {
		case "listening-port", "ip-address":
			if r == nil {
				r = &replica{client: client, addr: fleet.Addr{Host: client.c.remote().Host}}
				client.state(r)
			}
			if word == "ip-address" {
				r.addr.Host = v
			} else {
				r.addr.Port = atoi(v)
			}
		case "ack":
			if r != nil {
				s.acked(r, int64(atoi(v)))
			}
			return value{}, false
		case "capa", "version":
		default:
			return fail("ERR Unrecognized REPLCONF option: " + args[i]), true
		}
	}
	return ok(), true
}

// state makes the client known as one that will be a replica.
func (s *session) state(r *replica) { s.replica = r }

func (s *server) acked(r *replica, offset int64) {
	r.acked, r.ackedAt = max(r.acked, offset), time.Now()
	if r.state == replicaLoads {
		r.state = replicaOnline
		for _, pc := range r.buffer {
			r.client.c.send(pc)
		}
		r.buffer = nil
	}
	s.wakeWaiting()
	s.tryStop()
}

// psync goes on from where the replica stands, or begins a full sync.
func (s *server) psync(client *session, replid, next string) (value, bool) {
	switch {
	case s.master != (fleet.Addr{}) && s.link.phase != linkUp:
		return fail("NOMASTERLINK Can't SYNC while not connected with my master"), true
	case s.shutdown != nil:
		return fail("NOMASTERLINK Can't SYNC while failing over"), true
	}
	r := client.replica
	if r == nil {
		r = &replica{client: client, addr: fleet.Addr{Host: client.c.remote().Host}}
		client.replica = r
	}
	if pieces, can := s.since(replid, int64(atoi(next))); can {
		s.p.w.trace(s.p.name, "partial sync of %s from %s", r.addr, next)
		r.state, r.ackedAt = replicaOnline, time.Now()
		s.replicas = append(s.replicas, r)
		client.reply(status("CONTINUE " + s.replid))
		for _, pc := range pieces {
			client.c.send(pc)
		}
		return value{}, false
	}
	if !s.active {
		// A backlog that begins anew has no past that a replica could share.
		s.replid, s.replid2, s.second = s.p.hex40(), noReplID, -1
		s.openBacklog()
	}
	r.state = replicaWaits
	s.replicas = append(s.replicas, r)
	if s.set["repl-diskless-sync"] == "yes" && s.seconds("repl-diskless-sync-delay") > 0 {
		s.p.after(s.seconds("repl-diskless-sync-delay"), s.fullSync)
	} else {
		s.fullSync()
	}
	return value{}, false
}

// fullSync begins a snapshot for all replicas that wait for one, unless one is
// under way: then the next begins when that has ended. It ends when all is sent, not
// when a replica says that it has it: one whose machine lost its power meanwhile, whose
// connection nobody closes, is dropped like any that is silent, and holds up no other.
func (s *server) fullSync() {
	if s.snapshots {
		return
	}
	snap := snapshot{data: maps.Clone(s.data), replid: s.replid, offset: s.offset}
	s.selected = false
	var served []*replica
	for _, r := range s.replicas {
		if r.state != replicaWaits {
			continue
		}
		s.p.w.trace(s.p.name, "full sync of %s: %d keys at %d", r.addr, len(snap.data), snap.offset)
		r.state = replicaLoads
		r.client.reply(status(fmt.Sprintf("FULLRESYNC %s %d", snap.replid, snap.offset)))
		served = append(served, r)
	}
	if len(served) == 0 {
		return
	}
	s.snapshots = true
	s.p.after(snapshotTime, func() {
		for _, r := range served {
			r.client.c.send(snap)
			r.ackedAt = time.Now()
		}
	})
	s.p.after(2*snapshotTime, func() {
		s.snapshots = false
		s.fullSync()
	})
}

// feed puts a command into the stream.
func (s *server) feed(args []string) {
	if s.master != (fleet.Addr{}) || !s.active && len(s.replicas) == 0 {
		return
	}
	if !s.selected && args[0] != pingText && args[0] != "REPLCONF" {
		s.selected = true
		s.deliver([]string{"SELECT", "0"})
	}
	s.deliver(args)
}

func (s *server) deliver(args []string) {
	pc := s.append(args, size(s.set["repl-backlog-size"]))
	for _, r := range s.replicas {
		switch r.state {
		case replicaOnline:
			r.client.c.send(pc)
		case replicaLoads:
			r.buffer = append(r.buffer, pc)
		}
	}
}

func (s *server) forgetReplica(r *replica) {
	if at := slices.Index(s.replicas, r); at >= 0 {
		s.p.w.trace(s.p.name, "loses replica %s", r.addr)
		s.replicas = slices.Delete(s.replicas, at, at+1)
	}
}

// dropReplicas makes all replicas come again.
func (s *server) dropReplicas() {
	for _, r := range slices.Clone(s.replicas) {
		s.hangUp(r.client)
	}
}

// replicaCron pings the replicas, and drops those that have fallen silent.
func (s *server) replicaCron() {
	if period := atoi(s.set["repl-ping-replica-period"]); len(s.replicas) > 0 && s.master == (fleet.Addr{}) &&
		period > 0 && time.Since(s.lastPing) >= time.Duration(period)*time.Second {
		s.lastPing = time.Now()
		s.feed([]string{pingText})
	}
	for _, r := range slices.Clone(s.replicas) {
		sent := r.state == replicaOnline || r.state == replicaLoads && !r.ackedAt.IsZero()
		if sent && time.Since(r.ackedAt) > s.seconds("repl-timeout") {
			s.p.w.trace(s.p.name, "disconnects timed out replica %s", r.addr)
			s.hangUp(r.client)
		}
	}
}

// fewReplicas: min-replicas-to-write is on and not met.
func (s *server) fewReplicas() bool {
	least, lag := atoi(s.set["min-replicas-to-write"]), atoi(s.set["min-replicas-max-lag"])
	return least > 0 && lag > 0 && s.goodReplicas() < least
}

// goodReplicas were counted at the last cron, as the engine does.
func (s *server) goodReplicas() int {
	n := 0
	for _, r := range s.replicas {
		if r.state == replicaOnline && lagOf(r) <= int64(atoi(s.set["min-replicas-max-lag"])) {
			n++
		}
	}
	return n
}

// lagOf is in whole seconds of the clock, as the engine counts.
func lagOf(r *replica) int64 { return time.Now().Unix() - r.ackedAt.Unix() }

// waiting is a client in WAIT.
type waiting struct {
	client *session
	want   int
	offset int64
}

func (s *server) wait(client *session, want int, limit time.Duration) (value, bool) {
	if s.master != (fleet.Addr{}) {
		return fail("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."), true
	}
	if n := s.ackedBy(client.wrote); n >= want || client.inMulti {
		return num(int64(n)), true
	}
	w := &waiting{client, want, client.wrote}
	s.waitings = append(s.waitings, w)
	client.waits = true
	s.feed([]string{"REPLCONF", "GETACK", "*"})
	if limit > 0 {
		s.p.after(limit, func() { s.endWait(w) })
	}
	return value{}, false
}

func (s *server) ackedBy(offset int64) int {
	n := 0
	for _, r := range s.replicas {
		if r.state == replicaOnline && r.acked >= offset {
			n++
		}
	}
	return n
}

func (s *server) wakeWaiting() {
	for _, w := range slices.Clone(s.waitings) {
		if s.ackedBy(w.offset) >= w.want {
			s.endWait(w)
		}
	}
}

func (s *server) endWait(w *waiting) {
	at := slices.Index(s.waitings, w)
	if at < 0 {
		return
	}
	s.waitings = slices.Delete(s.waitings, at, at+1)
	w.client.reply(num(int64(s.ackedBy(w.offset))))
	w.client.waits = false
	held := w.client.held
	w.client.held = nil
	for _, args := range held {
		s.command(w.client, args)
	}
}

// unblock throws out who waits in WAIT when the server becomes a replica.
func (s *server) unblock() {
	for _, w := range s.waitings {
		w.client.reply(fail("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"))
		s.hangUp(w.client)
	}
	s.waitings = nil
}
