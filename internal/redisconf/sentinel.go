package redisconf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// SentinelState is what Sentinel keeps in its file between two starts.
type SentinelState struct {
	// MyID is 40 hex digits; empty in a file that was never started.
	MyID         string
	CurrentEpoch uint64
	Masters      []MonitoredMaster
}

// MonitoredMaster is one master that a sentinel watches, as its file says.
type MonitoredMaster struct {
	Name   string
	Addr   fleet.Addr
	Quorum int
	// ConfigEpoch orders what different sentinels say: the higher one is newer.
	ConfigEpoch    uint64
	LeaderEpoch    uint64
	KnownReplicas  []fleet.Addr
	KnownSentinels []KnownSentinel
}

// KnownSentinel is a peer; ID is empty in files of old versions.
type KnownSentinel struct {
	Addr fleet.Addr
	ID   string
}

// Master finds the state of a master by its name.
func (s SentinelState) Master(name string) (MonitoredMaster, bool) {
	for _, m := range s.Masters {
		if m.Name == name {
			return m, true
		}
	}
	return MonitoredMaster{}, false
}

// ReadSentinelState reads the state from a sentinel.conf of Redis 6.2 to 8 or
// Valkey, the older words (known-slave) included. It fails on what Sentinel
// itself would refuse: a wrong number of arguments, a bad address or epoch, two
// monitor lines for one master (hazard S3), state of a master that is not
// monitored. A file without any state gives the zero value.
func ReadSentinelState(f *File) (SentinelState, error) {
	var s SentinelState
	for _, args := range f.Get("sentinel monitor") {
		if err := s.monitor(args); err != nil {
			return SentinelState{}, fmt.Errorf("sentinel monitor: %w", err)
		}
	}
	for _, l := range f.lines {
		sub, ok := cutSentinel(l.name)
		if !ok {
			continue
		}
		if err := s.read(sub, l.args); err != nil {
			return SentinelState{}, fmt.Errorf("sentinel %s: %w", sub, err)
		}
	}
	return s, nil
}

func cutSentinel(name string) (string, bool) { return strings.CutPrefix(name, "sentinel ") }

func (s *SentinelState) monitor(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("want a name, a host, a port and a quorum, found %d arguments", len(args))
	}
	if _, twice := s.Master(args[0]); twice {
		return fmt.Errorf("master %q is there twice; Sentinel refuses to start with that", args[0])
	}
	addr, err := address(args[1], args[2])
	if err != nil {
		return err
	}
	quorum, err := strconv.Atoi(args[3])
	if err != nil || quorum < 1 {
		return fmt.Errorf("quorum %q of master %q must be a number from 1 on", args[3], args[0])
	}
	s.Masters = append(s.Masters, MonitoredMaster{Name: args[0], Addr: addr, Quorum: quorum})
	return nil
}

// read takes one line of state; other directives are no state and pass.
func (s *SentinelState) read(sub string, args []string) error {
	switch sub {
	case "myid":
		if len(args) != 1 || len(args[0]) != 40 {
			return fmt.Errorf("want an id of 40 characters")
		}
		s.MyID = args[0]
		return nil
	case "current-epoch":
		return epoch(&s.CurrentEpoch, args)
	case "config-epoch", "leader-epoch", "known-replica", "known-sentinel":
	default:
		return nil
	}
	if len(args) == 0 {
		return fmt.Errorf("no master is named")
	}
	for i := range s.Masters {
		if s.Masters[i].Name == args[0] {
			return s.Masters[i].read(sub, args[1:])
		}
	}
	return fmt.Errorf("master %q is not monitored", args[0])
}

func (m *MonitoredMaster) read(sub string, args []string) error {
	switch sub {
	case "config-epoch":
		return epoch(&m.ConfigEpoch, args)
	case "leader-epoch":
		return epoch(&m.LeaderEpoch, args)
	}
	if len(args) < 2 || len(args) > 3 {
		return fmt.Errorf("want a host and a port, found %d arguments after the master's name", len(args))
	}
	addr, err := address(args[0], args[1])
	if err != nil {
		return err
	}
	if sub == "known-replica" {
		m.KnownReplicas = append(m.KnownReplicas, addr)
		return nil
	}
	peer := KnownSentinel{Addr: addr}
	if len(args) == 3 {
		peer.ID = args[2]
	}
	m.KnownSentinels = append(m.KnownSentinels, peer)
	return nil
}

func epoch(into *uint64, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one epoch, found %d arguments", len(args))
	}
	n, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("epoch %q is no number", args[0])
	}
	*into = n
	return nil
}

func address(host, port string) (fleet.Addr, error) {
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || host == "" {
		return fleet.Addr{}, fmt.Errorf("%q port %q is no address", host, port)
	}
	return fleet.Addr{Host: host, Port: n}, nil
}
