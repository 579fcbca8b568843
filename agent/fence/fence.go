// Package fence decides who may start as what when a redis-server that ran
// before is down: after a crash, a shutdown, a reboot, or a power loss of the
// whole fleet (promises sentinel-owns-master, no-empty-master, data-wins).
//
// The decision is pure. It needs neither Consul nor the coordinator, only what
// the group's own sentinels and servers answered (promise fail-static).
package fence

import (
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// SentinelView is what one sentinel of the group answered.
type SentinelView struct {
	Node     string
	Answered bool
	// Names is the master that this sentinel names.
	Names fleet.Addr
	// Epoch is the configuration epoch under which it names it.
	Epoch uint64
	// Flags of the master in this sentinel, comma separated.
	Flags string
	// Uptime of the sentinel process.
	Uptime time.Duration
	// Awaits: it leads a failover that has promoted the instance that wants to start, and
	// has counted that one as down since. Sentinel ends such a failover only when the
	// promoted server answers again, whatever else happens (seen on Redis 7.0.15).
	Awaits bool
	// Tilt: it has stopped to judge, after a clock that jumped or a process that
	// stood still (hazard S16). Its flags are those of before, and it fails
	// nothing over; the master that it names still counts.
	Tilt bool
	// Promotable are the replicas that this sentinel could promote, Alive those
	// that it has not counted as down.
	Promotable, Alive []fleet.Addr
	// Knows is what it would choose by, of each replica.
	Knows map[fleet.Addr]Known
	// Replicas are all replicas that it knows.
	Replicas []fleet.Addr
	// Silence is how long ago the master last answered this sentinel.
	Silence time.Duration
	// Heard: the master that it names has answered it since it started.
	Heard bool
	// SelfSilence is how long ago the instance that wants to start last answered it,
	// as the replica that this sentinel knows; 0 where it knows none at its address.
	SelfSilence time.Duration
	// Usable is how many sentinels this one reaches, itself among them.
	Usable int
	// Reaches are the nodes of the other sentinels of the group among them.
	Reaches []string
}

// Known is a replica as a sentinel knows it.
type Known struct {
	// Priority comes first in its choice, then Offset, as the replica's INFO said
	// InfoAge ago.
	Priority int
	Offset   int64
	InfoAge  time.Duration
}

// ServerView is what one server of the group answered.
type ServerView struct {
	Addr     fleet.Addr
	Answered bool
	Role     fleet.Role
	Master   fleet.Addr
	Keys     int64
	// OnlyProbe: the one key that it holds is redfleet's own probe, which no client
	// wrote. It does not count as data that a master has lost.
	OnlyProbe bool
	// Loading: it reads what it has on disk, or gets it from its master, and Keys
	// does not say yet how much that is. It counts as data.
	Loading bool
	// ReplID and ReplID2 are the lineages that the server's data belongs to,
	// Offset how far it has come in the first.
	ReplID, ReplID2 string
	Offset          int64
}

// Self is the instance that wants to start.
type Self struct {
	Addr fleet.Addr
	// Follows is the master that its redis.conf names; zero for a master.
	Follows fleet.Addr
	// NoRole: there is no redis.conf that says what it was.
	NoRole bool
	// Ran: it was seen to run and answer here.
	Ran bool
	// HasData: its folder holds data now. HadData: it held some when it ran.
	HasData, HadData bool
	// ReplID is the last lineage that it was seen with; empty if unknown.
	ReplID string
	// Lineages are all that it was seen with, or its files while it ran; empty
	// where none was noted.
	Lineages []string
	// Lineage is that of its files now, Offset how far they have come in it;
	// empty and 0 where they do not tell.
	Lineage string
	Offset  int64
	// Volatile: it has no append-only file, so that an empty folder, or an old
	// snapshot in it, says nothing of what it held when it ended.
	Volatile bool
	// GaveUp: its agent gave the master's role up, to ask for a failover at once
	// (hazard S20). Asked is the node of the sentinel that was asked; empty: none yet.
	GaveUp bool
	Asked  string
	// DataBytes is the size of its data files.
	DataBytes int64
	// Retried: it was started again as the master after a crash, and has not run
	// long enough since to be trusted with a second time.
	Retried bool
	// Rebooted: the machine may have lost its power since it was last seen running, and with
	// it what its disk had not synced.
	Rebooted bool
}

// Case is all that a decision rests on.
type Case struct {
	Topology fleet.Topology
	Self     Self
	// Sentinels has one view for each sentinel of the group, Servers one for
	// each other server.
	Sentinels []SentinelView
	Servers   []ServerView
	// DownAfter is the sentinels' down-after, DownFor how long the instance has
	// been seen down.
	DownAfter, DownFor time.Duration
	// FailoverTimeout is the sentinels' failover-timeout, Quorum their quorum.
	FailoverTimeout time.Duration
	Quorum          int
	// Restart: a master that crashed rather starts again than that it waits for a
	// failover (on_crash = "restart").
	Restart bool
	// Seed is there while the group forms.
	Seed *fleet.Seed
}

// Decision says whether the instance may start, as what, and why.
type Decision struct {
	Start bool
	// Follow is the master to follow; zero means: start as master.
	Follow fleet.Addr
	Rule   string
	Reason string
}

// Decide gives the decision. When in doubt the instance stays down: a held
// server loses nothing, a second master does.
func Decide(c Case) Decision {
	if d, held := foreign(c); held {
		return d
	}
	if c.Topology == fleet.Replication {
		return decideReplication(c)
	}
	return gaveUp(c, decideSentinel(c))
}

// follow starts an instance as a replica of master, unless that would wipe what
// it holds: a server that answers, is empty and of another lineage is followed
// by nobody with data, whoever named it (promise data-wins).
func follow(c Case, rule string, master fleet.Addr, reason string) Decision {
	for _, s := range c.Servers {
		if s.Addr != master || !s.Answered || !c.Self.HasData || s.Keys > 0 || s.Loading {
			continue
		}
		if c.Self.ReplID != "" && (s.ReplID == c.Self.ReplID || s.ReplID2 == c.Self.ReplID) {
			continue
		}
		return hold("data-wins", fmt.Sprintf(
			"its master would be %s, which is empty and of another lineage, while this node holds data; it will not be wiped: save this node's data folder or flush it by name, then start it again", master))
	}
	return start(rule, master, reason)
}

func hold(rule, reason string) Decision { return Decision{Rule: rule, Reason: reason} }

func start(rule string, follow fleet.Addr, reason string) Decision {
	return Decision{Start: true, Follow: follow, Rule: rule, Reason: reason}
}
