// Package converge decides what an agent does next: from the goal of its node
// and the facts that were observed to a list of steps, each with its reason. It
// is pure; package apply carries the steps out, package observe gathers the facts.
package converge

import (
	"time"

	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Facts are what the agent observed on its node, at Now.
type Facts struct {
	Now       time.Time
	Instances map[fleet.InstanceID]Instance
}

// Instance is what is known of one assigned instance.
type Instance struct {
	// Identity is the group id in the instance's folder; empty without a folder.
	Identity string
	Unit     fleet.UnitStatus
	// Problem says why the facts are not to be trusted (an unreadable file); the
	// instance is then left alone.
	Problem string
	Memory  Memory
	// Boot is the machine's boot, as it is now.
	Boot string
	Disk Disk
	// Origin is the unit that an adopted instance comes from; nil for any other.
	Origin *Origin
	// Redis and Sentinel are there when the process answers.
	Redis    *Redis
	Sentinel *Sentinel
	// PortOwner tells who listens on the instance's port while its own process
	// is down; empty when the port is free.
	PortOwner string
	// DownSince is when the agent first saw the instance down, Asked when it began to
	// ask what it would start as.
	DownSince, Asked time.Time
	// Listening are the peers' addresses that accepted a connection just now;
	// gathered only where a start or an introduction waits for them.
	Listening map[fleet.Addr]bool
	// Sentinels and Servers are the group's answers for the fence, gathered while the
	// instance is down, and for Stranded.
	Sentinels []fence.SentinelView
	Servers   []fence.ServerView
}

// Memory is what the agent keeps about an instance outside of its data folder,
// so that a lost folder does not take it along.
type Memory struct {
	// Started: the process was started here at least once.
	Started bool `json:"started,omitempty"`
	// HadData: it held data when it was last seen running.
	HadData bool `json:"had_data,omitempty"`
	// ReplID is the last lineage that it was seen with.
	ReplID string `json:"replid,omitempty"`
	// Lineages are all that it, or its files while it ran, were seen with.
	Lineages Lineages `json:"lineages,omitempty"`
	// Boot is the machine's boot in which it was last seen running.
	Boot string `json:"boot,omitempty"`
	// EmptyMark is the mark of its append-only files when it was last seen
	// without a key: files with that mark hold none.
	EmptyMark string `json:"empty_mark,omitempty"`
	// Served: it ran under a goal without a seed, so its group served. A seed
	// that comes later, from a Consul that was rolled back, gives it no role.
	Served bool `json:"served,omitempty"`
	// Starts counts the starts that agent and boot fence let happen, so that each
	// knows when the other let one happen since it looked.
	Starts uint64 `json:"starts,omitempty"`
	// Retried: its last start was one by the rule quick-restart, and it has not run
	// for long since.
	Retried bool `json:"retried,omitempty"`
	// GaveUp is there from the moment at which the agent gave the master's role up,
	// before it asks for a failover, until the next start (hazard S20).
	GaveUp GaveUp `json:"gave_up,omitzero"`
	// RaisePriority: it was started at replica-priority 0 and is to be raised
	// once it has caught up, or is master (hazard S19).
	RaisePriority bool `json:"raise_priority,omitempty"`
	// Retired: it was stopped because its node left the group, and was not started
	// since.
	Retired bool `json:"retired,omitempty"`
	// Change is the change of members for which the quorum was set, Forgot the
	// token with which this sentinel was last told to forget.
	Change int    `json:"change,omitempty"`
	Forgot string `json:"forgot,omitempty"`
	// Moved: an adopted instance has redfleet's unit and folder now.
	Moved bool `json:"moved,omitempty"`
}

// GaveUp is the marker of an instance that was the master and starts as one again
// only when no failover can come from its agent's request any more.
type GaveUp struct {
	// Claim is the id of the claim that goes with it; empty: there is no marker.
	Claim string `json:"claim"`
	// Sentinel is the node of the one sentinel that is asked. Until it is on disk
	// nobody has been asked.
	Sentinel string `json:"sentinel,omitempty"`
}

// Disk is what the files of an instance say.
type Disk struct {
	Dataset fleet.Dataset
	// Bytes is the size of the data files.
	Bytes int64
	// SnapshotOnly: the data is an RDB file without append-only files; starting
	// with AOF on would ignore it (hazard D3).
	SnapshotOnly bool
	// Follows is the replicaof line of redis.conf.
	Follows fleet.Addr
	// NoRole: there is no redis.conf that could name one, or no sentinel.conf.
	NoRole bool
}

// Redis is a server that answers.
type Redis struct {
	Role   fleet.Role
	LinkUp bool
	// CaughtUp: its master answered as a master of the same lineage, and is no
	// further than caughtUpWithin; looked at only where RaisePriority waits for it.
	CaughtUp bool
	Priority int
	AOF      bool
	Loading  bool
	// RefusesWrites: a master that wants more good replicas than it has.
	RefusesWrites bool
	// Master is whom a replica follows. Stranded: it was seen Stranded for long.
	Master   fleet.Addr
	Stranded bool
	// DiskError: it cannot write its data, and may refuse to end (hazard D2).
	DiskError bool
	// ProbeSeen is the value of the probe key, WriteTried whether a write to
	// this replica was tried since it runs.
	ProbeSeen  string
	WriteTried bool
	// RewriteDue: CONFIG REWRITE was not tried on this process and file yet, or
	// a minute ago (hazard S15).
	RewriteDue bool
}

// Sentinel is a sentinel that answers.
type Sentinel struct {
	// Peers are the ids of the other sentinels that it knows.
	Peers map[string]bool
	// Reached are the ids of those that answer it now.
	Reached map[string]bool
	// Master is the address that it names.
	Master fleet.Addr
}
