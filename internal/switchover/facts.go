// Package switchover decides the steps of a planned failover: one in which the old
// master lives, and in which no acknowledged write is lost (hazard S13). It is pure;
// package coordinator/switchover carries the steps out.
//
// The order is: hold the writes of the master, see that every replica which could be
// promoted has all that it acknowledged, ask one sentinel for a failover (S18), see
// that most sentinels name the promoted one, and make the old master its replica
// before the writes that it holds go on, so that these are refused and not
// acknowledged.
package switchover

import (
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Server is what one server of the group answered just now.
type Server struct {
	fleet.Member
	// Error is why it did not answer; empty when it did, and all else is zero, but for
	// Gone: nobody listens at its address, so its process has ended.
	Error string
	Gone  bool
	Role  fleet.Role
	// Master and LinkUp are a replica's.
	Master fleet.Addr
	LinkUp bool
	ReplID string
	// ReplID2 is the lineage before its promotion, which ended at SecondOffset: what
	// lies below that offset, this server has.
	ReplID2      string
	SecondOffset int64
	Offset       int64
	Priority     int
}

// Follows: it answered as a replica of the server at an address.
func (s Server) Follows(master fleet.Addr) bool {
	return s.Error == "" && s.Role == fleet.RoleReplica && s.Master == master
}

// Sentinel is what one sentinel of the group answered just now.
type Sentinel struct {
	fleet.Member
	// Error is why it did not answer; empty when it did.
	Error  string
	Report fleet.SentinelReport
}

// UnderWay: it carries a failover out.
func (s Sentinel) UnderWay() bool {
	return strings.Contains(s.Report.MasterFlags, "failover_in_progress")
}

// Course is a planned failover, from its begin on.
type Course struct {
	DownAfter time.Duration
	// Master is the server that gives way, Ask the one sentinel that is asked.
	Master fleet.Member
	Ask    fleet.Member
	// Epoch is the highest configuration epoch that a sentinel had at the begin.
	Epoch uint64
	// ReplID and Offset are the master's once its writes were held: every write that
	// it acknowledged lies below Offset.
	ReplID string
	Offset int64
}

// Facts are what the next step follows from.
type Facts struct {
	// Since is how long ago the writes were first held.
	Since time.Duration
	// Asked: the sentinel was asked, SinceAsked ago; Refused is its own no.
	Asked      bool
	SinceAsked time.Duration
	Refused    string
	// Left is for how long the writes are still held at least; 0 or less where that
	// ran out at any time since they were first held.
	Left time.Duration
	// Demoted, Promoted and Silent are from Seen.Add. Demoted: the old master has
	// answered that it is a replica of the new one now. Promoted: in some look
	// another server said that it is master, or a sentinel named one. Silent is how long ago the asked sentinel last
	// answered, since the asking at most.
	Demoted, Promoted bool
	Silent            time.Duration
	// Stop: whoever began this wants it to end.
	Stop      bool
	Servers   []Server
	Sentinels []Sentinel
}

func (f Facts) server(addr fleet.Addr) Server {
	i := slices.IndexFunc(f.Servers, func(s Server) bool { return s.Addr == addr })
	if i < 0 {
		return Server{Error: "it is no server of the group"}
	}
	return f.Servers[i]
}

func (f Facts) sentinel(addr fleet.Addr) Sentinel {
	i := slices.IndexFunc(f.Sentinels, func(s Sentinel) bool { return s.Addr == addr })
	if i < 0 {
		return Sentinel{Error: "it is no sentinel of the group"}
	}
	return f.Sentinels[i]
}

// The bounds of a planned failover, from the time after which a sentinel counts a
// server as down.
const (
	// ShortestDownAfter is below what Sentinel's own failover takes with a margin: it
	// sees a second after the promotion that it succeeded, and a master whose writes
	// are held for down-after is counted as down meanwhile.
	ShortestDownAfter = 3 * time.Second
	// longestPause bounds for how long writes stay held where whoever holds them dies.
	longestPause = 5 * time.Second
	// holdAfterAsk bounds for how long they are held on once the sentinel was asked.
	holdAfterAsk = 12 * time.Second
	// demoteIn bounds the tries to make the old master a replica, from the asking on;
	// Sentinel does it later.
	demoteIn = 20 * time.Second
	// settle is how long a sentinel may take to show the failover that it was asked for.
	settle = 500 * time.Millisecond
	// gaveUpIn is how soon one that is not at it any more has told no replica to take
	// over: it ends for want of one at once, else after failover-timeout, which is a
	// second at least.
	gaveUpIn = time.Second
)

// Pause is for how long the writes are held at a time: three fifths of down-after,
// 5 s at most.
func Pause(downAfter time.Duration) time.Duration { return min(downAfter*3/5, longestPause) }

// CatchUp is how long the replicas may take to have all that the master acknowledged.
// Whoever dies once it has asked leaves the writes held for nine tenths of down-after at
// most: for half a pause before the asking, and for a whole one from it.
//
// Whoever lives holds them on past down-after while the sentinel shows its failover
// (HoldOn), although others may then count the master as down. To let them go on sooner
// would be worse: the replica that was told to take over does so whenever it can, and
// what the master acknowledges before that is lost.
func CatchUp(downAfter time.Duration) time.Duration { return Pause(downAfter) / 3 }

// HoldOn: the pause is to be begun anew, since half of it is over. Before the sentinel
// was asked only the asking itself does that: one pause bounds how long a failed try
// takes.
func HoldOn(c Course, f Facts) bool { return f.Asked && f.Left <= Pause(c.DownAfter)/2 }
