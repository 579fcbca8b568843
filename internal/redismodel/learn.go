package redismodel

import (
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// learn reads an instance's INFO and does what follows from it.
func (s *sentinel) learn(i *watched, info string) {
	before := i.following
	i.linkDownFor = 0
	said := i.kind
	for text := range strings.Lines(info) {
		key, v, isField := strings.Cut(strings.TrimRight(text, "\r\n"), ":")
		if !isField {
			continue
		}
		switch key {
		case "run_id":
			s.learnRunID(i, v)
		case "role":
			said = roleMaster
			if v == "slave" {
				said = roleReplica
			}
		case "master_link_down_since_seconds":
			i.linkDownFor = time.Duration(atoi(v)) * time.Second
		default:
			s.learnField(i, said, key, v)
		}
	}
	now := time.Now()
	i.infoAt = now
	if i.following != before {
		i.followingAt = now
	}
	if said != i.reported {
		i.reported, i.reportedAt = said, now
		if said == roleReplica {
			i.followingAt = now
		}
	}
	if s.tilt {
		return
	}
	switch {
	case i.kind == roleReplica && said == roleMaster:
		s.replicaIsMaster(i)
	case i.kind == roleReplica && said == roleReplica:
		s.replicaIsReplica(i)
	}
}

func (s *sentinel) learnRunID(i *watched, id string) {
	switch {
	case i.runID == "":
	case i.runID != id:
		s.event("+reboot", i, "")
		if i.kind == roleMaster && i.rebootDownAfter != 0 {
			i.rebooted, i.rebootSince = true, time.Now()
		}
	}
	i.runID = id
}

func (s *sentinel) learnField(i *watched, said role, key, v string) {
	if said == roleMaster {
		if i.kind == roleMaster && strings.HasPrefix(key, "slave") && strings.Contains(v, "ip=") {
			s.learnReplica(i, v)
		}
		return
	}
	switch key {
	case "master_host":
		i.following.Host = v
	case "master_port":
		i.following.Port = atoi(v)
	case "master_link_status":
		i.linkOK = v == "up"
	case "slave_priority":
		i.priority = atoi(v)
	case "slave_repl_offset":
		i.offset = int64(atoi(v))
	}
}

// learnReplica reads "ip=…,port=…,state=…".
func (s *sentinel) learnReplica(m *watched, list string) {
	var addr fleet.Addr
	for pair := range strings.SplitSeq(list, ",") {
		switch key, v, _ := strings.Cut(pair, "="); key {
		case "ip":
			addr.Host = v
		case "port":
			addr.Port = atoi(v)
		}
	}
	if byAddr(m.replicas, addr) != nil {
		return
	}
	r := s.newWatched(roleReplica, addr, m)
	m.replicas = append(m.replicas, r)
	s.event("+slave", r, "")
	s.flush()
}

// replicaIsMaster: the promotion that was asked for has happened, or a server
// that should follow the master does not, for some time (hazards S12, S14).
func (s *sentinel) replicaIsMaster(i *watched) {
	m := i.master
	if i.isPromoted && m.failing && m.phase == phaseWaitPromotion {
		m.configEpoch = m.failoverEpoch
		s.enter(m, phaseReconf)
		s.flush()
		s.event("+promoted-slave", i, "")
		s.event("+failover-state-reconf-slaves", m, "")
		s.hurryHello(m)
		return
	}
	if !i.isPromoted && s.looksSane(m) && i.notDownFor(replicaWait) && time.Since(i.reportedAt) > replicaWait {
		if s.sendReplicaOf(i, m.addr) {
			s.event("+convert-to-slave", i, "")
		}
	}
}

// replicaIsReplica: one that follows somebody else is put right, and one that a
// failover has sent to the new master is followed on its way.
func (s *sentinel) replicaIsReplica(i *watched) {
	m := i.master
	if i.following != m.addr && s.looksSane(m) && i.notDownFor(m.failoverTimeout) &&
		time.Since(i.followingAt) > m.failoverTimeout {
		if s.sendReplicaOf(i, m.addr) {
			s.event("+fix-slave-config", i, "")
		}
	}
	if i.reconfSent && m.promoted != nil && i.following == m.promoted.addr {
		i.reconfSent, i.reconfInprog = false, true
		s.event("+slave-reconf-inprog", i, "")
	}
	if i.reconfInprog && i.linkOK {
		i.reconfInprog, i.reconfDone = false, true
		s.event("+slave-reconf-done", i, "")
	}
}

func (s *sentinel) looksSane(m *watched) bool {
	return m.reported == roleMaster && !m.sDown && !m.oDown && time.Since(m.infoAt) < 2*infoPeriod
}

func (i *watched) notDownFor(d time.Duration) bool {
	latest := i.sDownSince
	if i.oDownSince.After(latest) {
		latest = i.oDownSince
	}
	return latest.IsZero() || time.Since(latest) > d
}
