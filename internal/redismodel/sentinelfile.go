package redismodel

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// load reads the file; what Sentinel refuses to start with is an error (S3).
func (s *sentinel) load() error {
	file := s.conf.file
	state, err := redisconf.ReadSentinelState(file)
	if err != nil {
		return fmt.Errorf("fatal config file error: %w", err)
	}
	s.myID, s.epoch = state.MyID, state.CurrentEpoch
	if s.myID == "" {
		s.myID = s.p.hex40()
	}
	s.announce = fleet.Addr{Host: s.conf.get("sentinel announce-ip", s.p.addr.Host), Port: s.conf.number("sentinel announce-port", s.p.addr.Port)}
	s.peerPassword = s.conf.get("sentinel sentinel-pass", s.conf.get("requirepass", ""))
	for _, m := range state.Masters {
		s.masters = append(s.masters, s.loadMaster(file, m))
	}
	return nil
}

func (s *sentinel) loadMaster(file *redisconf.File, from redisconf.MonitoredMaster) *watched {
	m := s.newMaster(from.Name, from.Addr, from.Quorum)
	m.configEpoch, m.votedEpoch = from.ConfigEpoch, from.LeaderEpoch
	s.epoch = max(s.epoch, m.configEpoch)
	millis := func(name string, otherwise time.Duration) time.Duration {
		if text, found := perMaster(file, name, m.name); found {
			return time.Duration(atoi(text)) * time.Millisecond
		}
		return otherwise
	}
	m.downAfter = millis("down-after-milliseconds", m.downAfter)
	m.failoverTimeout = millis("failover-timeout", m.failoverTimeout)
	m.rebootDownAfter = millis("master-reboot-down-after-period", 0)
	if text, found := perMaster(file, "parallel-syncs", m.name); found {
		m.parallelSyncs = atoi(text)
	}
	m.password, _ = perMaster(file, "auth-pass", m.name)
	for _, addr := range from.KnownReplicas {
		if byAddr(m.replicas, addr) == nil {
			m.replicas = append(m.replicas, s.newWatched(roleReplica, addr, m))
		}
	}
	for _, known := range from.KnownSentinels {
		peer := s.newWatched(rolePeer, known.Addr, m)
		peer.runID = known.ID
		m.peers = append(m.peers, peer)
	}
	return m
}

func (s *sentinel) newMaster(name string, addr fleet.Addr, quorum int) *watched {
	m := s.newWatched(roleMaster, addr, nil)
	m.name, m.quorum = name, quorum
	m.downAfter, m.failoverTimeout, m.parallelSyncs = 30*time.Second, 180*time.Second, 1
	return m
}

// perMaster is the last line of a directive for one master.
func perMaster(file *redisconf.File, name, master string) (text string, found bool) {
	for _, args := range file.Get("sentinel " + name) {
		if len(args) == 2 && args[0] == master {
			text, found = args[1], true
		}
	}
	return text, found
}

// stateLines are written anew at each flush.
var stateLines = []string{"monitor", "down-after-milliseconds", "failover-timeout", "parallel-syncs", "auth-pass",
	"master-reboot-down-after-period", "config-epoch", "leader-epoch", "known-replica", "known-sentinel", "current-epoch", "myid"}

// flush writes the state into the file (promise sentinel-state-kept); what the
// disk refuses is only logged, as the real one does.
func (s *sentinel) flush() {
	c, err := readConf(&s.p.w.disk, s.conf.path)
	if err == nil {
		s.write(c.file)
		err = s.p.w.disk.replace(c.path, c.file.Bytes())
	}
	if err != nil {
		s.p.w.trace(s.p.name, "was not able to save the new configuration on disk: %v", err)
	}
}

func (s *sentinel) write(file *redisconf.File) {
	for _, name := range stateLines {
		file.Remove("sentinel " + name)
	}
	rewriteUser(&conf{file: file}, &s.acl)
	file.Add("sentinel myid", s.myID)
	for _, m := range s.masters {
		m.write(file)
	}
	file.Add("sentinel current-epoch", strconv.FormatUint(s.epoch, 10))
}

func (m *watched) write(file *redisconf.File) {
	now := m.current()
	number := func(name string, v, otherwise int64) {
		if v != otherwise {
			file.Add("sentinel "+name, m.name, strconv.FormatInt(v, 10))
		}
	}
	file.Add("sentinel monitor", m.name, now.Host, strconv.Itoa(now.Port), strconv.Itoa(m.quorum))
	number("down-after-milliseconds", m.downAfter.Milliseconds(), 30000)
	number("failover-timeout", m.failoverTimeout.Milliseconds(), 180000)
	number("parallel-syncs", int64(m.parallelSyncs), 1)
	if m.password != "" {
		file.Add("sentinel auth-pass", m.name, m.password)
	}
	number("master-reboot-down-after-period", m.rebootDownAfter.Milliseconds(), 0)
	file.Add("sentinel config-epoch", m.name, strconv.FormatUint(m.configEpoch, 10))
	file.Add("sentinel leader-epoch", m.name, strconv.FormatUint(m.votedEpoch, 10))
	for _, r := range m.replicas {
		addr := r.addr
		if addr == now { // the promoted one: the old master takes its place
			addr = m.addr
		}
		file.Add("sentinel known-replica", m.name, addr.Host, strconv.Itoa(addr.Port))
	}
	for _, peer := range m.peers {
		if peer.runID != "" {
			file.Add("sentinel known-sentinel", m.name, peer.addr.Host, strconv.Itoa(peer.addr.Port), peer.runID)
		}
	}
}
