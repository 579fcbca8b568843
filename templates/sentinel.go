package templates

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// SentinelData is all that sentinel.conf is made of.
type SentinelData struct {
	Node
	Group, GroupID string
	Engine         string
	// MyID is the id that the coordinator chose, 40 hex digits (hazard S4).
	MyID string
	// Addr is what the sentinel announces; its port is also the one it listens on.
	Addr fleet.Addr
	// Monitor is how it watches the group.
	Monitor fleet.Monitor
	// Master is the address to start from. It counts at the first start only:
	// after it Sentinel alone knows (promise sentinel-owns-master).
	Master fleet.Addr
	// AuthPass is what it shows the servers, SentinelPass what it shows its
	// peers (hazards S9, S10): the same as Password unless a rotation is under way.
	AuthPass, SentinelPass string
	// KnownReplicas and KnownSentinels seed a first start, so that the sentinel
	// is complete at once (hazard S1). Only nodes that are empty or of the
	// group's lineage belong here (hazard S14).
	KnownReplicas  []fleet.Addr
	KnownSentinels []fleet.Member
}

// NewSentinelData fills the data from a goal whose Monitor is set. node is the
// name of the machine; master the address that the sentinel starts from. While
// the goal has a Seed, all other members are listed as known.
func NewSentinelData(g fleet.InstanceGoal, n Node, node string, master fleet.Addr) SentinelData {
	d := SentinelData{
		Node: n, Group: g.Group, GroupID: g.GroupID, Engine: g.Engine, Addr: g.Addr,
		Master: master, AuthPass: n.Password, SentinelPass: n.Password,
	}
	if g.Monitor != nil {
		d.Monitor = *g.Monitor
	}
	for _, peer := range g.Sentinels {
		if peer.Node == node {
			d.MyID = peer.ID
		} else if g.Seed != nil {
			d.KnownSentinels = append(d.KnownSentinels, peer)
		}
	}
	for _, server := range g.Servers {
		if g.Seed != nil && server.Addr != master {
			d.KnownReplicas = append(d.KnownReplicas, server.Addr)
		}
	}
	return d
}

// String and GoString keep the passwords out of every log (promise
// secrets-stay-secret).
func (d SentinelData) String() string {
	return "sentinel.conf of " + d.Group + " at " + d.Addr.String()
}

// GoString is String.
func (d SentinelData) GoString() string { return d.String() }

// Open: the sentinel asks nobody for a password.
func (d SentinelData) Open() bool { return d.Monitor.Open }

// Since is as for RedisData.
func (d SentinelData) Since(version string) bool { return since(d.Engine, d.Version, version) }

// Hostnames: instances announce names. Everywhere or nowhere (hazard S11).
func (d SentinelData) Hostnames() bool { return d.Monitor.Announce == fleet.AnnounceHostname }

// DownAfterMS and FailoverTimeoutMS are in the unit that sentinel.conf uses.
func (d SentinelData) DownAfterMS() int64 { return d.Monitor.DownAfter.Std().Milliseconds() }

// FailoverTimeoutMS is in milliseconds.
func (d SentinelData) FailoverTimeoutMS() int64 {
	return d.Monitor.FailoverTimeout.Std().Milliseconds()
}

func (d SentinelData) check() error {
	m := d.Monitor
	switch {
	case !hexID(d.MyID):
		return fmt.Errorf("the sentinel's id %q must be 40 hex digits", d.MyID)
	case d.AuthPass == "" || d.SentinelPass == "":
		return errors.New("auth-pass and sentinel-pass must both be there (hazards S9, S10)")
	case m.MasterName == "" || m.Quorum < 1 || m.ParallelSyncs < 1:
		return errors.New("master name, quorum and parallel-syncs must be set")
	case d.DownAfterMS() < 1 || d.FailoverTimeoutMS() < 1:
		return errors.New("down-after and failover-timeout must be at least a millisecond")
	case d.Master.Host == "" || d.Master.Port < 1:
		return errors.New("there is no master to monitor")
	}
	for _, word := range []string{d.AuthPass, d.SentinelPass, m.MasterName} {
		if !redisconf.SafeUnquoted(word) {
			return errors.New("the password or the master's name holds a space, a quote or a line end: Sentinel rewrites " +
				"them without quotes and would not start again; choose one without these characters")
		}
	}
	for _, peer := range d.KnownSentinels {
		if !hexID(peer.ID) || peer.ID == d.MyID {
			return fmt.Errorf("the id of the known sentinel at %s must be 40 hex digits and not this one's (hazard S4)", peer.Addr)
		}
	}
	return checkCommon(d.Addr, d.Node)
}

func hexID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 40
}

// wants is what the rendered sentinel.conf must hold.
func (d SentinelData) wants() []want {
	name, m := d.Monitor.MasterName, d.Monitor
	wants := append(d.guarded(wantsCommon(d.Addr.Port, d.Node)),
		one("sentinel myid", d.MyID),
		one("sentinel announce-ip", d.Addr.Host),
		one("sentinel announce-port", strconv.Itoa(d.Addr.Port)),
		one("sentinel deny-scripts-reconfig", "yes"),
		one("sentinel monitor", name, d.Master.Host, strconv.Itoa(d.Master.Port), strconv.Itoa(m.Quorum)),
		one("sentinel auth-pass", name, d.AuthPass),
		one("sentinel down-after-milliseconds", name, strconv.FormatInt(d.DownAfterMS(), 10)),
		one("sentinel failover-timeout", name, strconv.FormatInt(d.FailoverTimeoutMS(), 10)),
		one("sentinel parallel-syncs", name, strconv.Itoa(m.ParallelSyncs)),
	)
	if d.Hostnames() {
		wants = append(wants, one("sentinel resolve-hostnames", "yes"), one("sentinel announce-hostnames", "yes"))
	}
	if d.Since("7.0") {
		wants = append(wants, one("sentinel master-reboot-down-after-period", name, strconv.FormatInt(d.DownAfterMS(), 10)))
	}
	return append(wants, d.knownWants()...)
}

// guarded is what the sentinel asks those who come, and what it shows its peers.
func (d SentinelData) guarded(wants []want) []want {
	if !d.Open() {
		return append(wants, one("sentinel sentinel-pass", d.SentinelPass))
	}
	for i, w := range wants {
		switch w.name {
		case "protected-mode":
			wants[i] = one("protected-mode", "no")
		case "requirepass":
			wants[i].lines = nil
		}
	}
	return wants
}

func (d SentinelData) knownWants() []want {
	replicas, peers := want{name: "sentinel known-replica"}, want{name: "sentinel known-sentinel"}
	for _, r := range d.KnownReplicas {
		replicas.lines = append(replicas.lines, []string{d.Monitor.MasterName, r.Host, strconv.Itoa(r.Port)})
	}
	for _, p := range d.KnownSentinels {
		peers.lines = append(peers.lines, []string{d.Monitor.MasterName, p.Addr.Host, strconv.Itoa(p.Addr.Port), p.ID})
	}
	return []want{replicas, peers}
}
