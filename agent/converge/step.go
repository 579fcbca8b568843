package converge

import (
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Kind names what a step does.
type Kind string

// The kinds of step.
const (
	// Install makes the instance's folder and identity.
	Install Kind = "install"
	// StartRedis writes redis.conf with the role in Follow and starts the server.
	StartRedis Kind = "start-redis"
	// StartSentinel writes sentinel.conf, keeping what Sentinel wrote, and starts it.
	StartSentinel Kind = "start-sentinel"
	// Introduce tells the local sentinel of a peer that listens.
	Introduce Kind = "introduce"
	// TryRewrite runs CONFIG REWRITE and remembers its reply.
	TryRewrite Kind = "try-rewrite"
	// WriteProbe writes the probe key on the forming group's master, TryWrite
	// tries a write on a replica, ClearProbe removes the key again.
	WriteProbe Kind = "write-probe"
	TryWrite   Kind = "try-write"
	ClearProbe Kind = "clear-probe"
	// RaisePriority makes a caught-up replica promotable.
	RaisePriority Kind = "raise-priority"
	// EnableAOF turns AOF on after a start from a snapshot.
	EnableAOF Kind = "enable-aof"
	// EndStranded ends a replica that follows another than the master and that no sentinel
	// knows, so that it is started anew.
	EndStranded Kind = "end-stranded"
	// Retire stops an instance whose node left the group and keeps anything from
	// starting it again.
	Retire Kind = "retire"
	// SetQuorum sets a sentinel's quorum, once for each change of the members.
	SetQuorum Kind = "set-quorum"
	// Forget has a sentinel forget whom it knows of its group, once for a token.
	Forget Kind = "forget"
	// GiveWay has the unit of an adopted instance move it at its next start.
	GiveWay Kind = "give-way"
	// Move has systemd start that unit, which moves the instance.
	Move Kind = "move"
	// MaskOrigin takes that unit out of service once the instance has moved.
	MaskOrigin Kind = "mask-origin"
)

// Step is one thing to do, with its reason for log and event.
type Step struct {
	Kind     Kind
	Instance fleet.InstanceID
	Reason   string
	// Follow is the master to follow at StartRedis, zero for a master, and the
	// master to watch at StartSentinel.
	Follow fleet.Addr
	// Priority is the replica-priority to start with.
	Priority int
	// SnapshotFirst: start with AOF off, so that the snapshot is loaded (D3).
	SnapshotFirst bool
	// Asked is when the answers were asked for by which it starts.
	Asked time.Time
	// Prepared: what it starts as is written and noted already.
	Prepared bool
	// Quick: it starts by the rule quick-restart.
	Quick bool
	// GaveUp is the marker that the decision saw; a start goes only with that one.
	GaveUp GaveUp
	// Fenced: an instance that ran before starts again, by the fence's word.
	Fenced bool
	// Peer is whom to introduce.
	Peer fleet.Member
	// Peers are whom to introduce again after Forget, and Master, there and at
	// Introduce, the master that the sentinel names.
	Peers  []fleet.Member
	Master fleet.Addr
}

// freshFor is how long answers hold by which a server may start as the master: the
// margin that the rule young-sentinels keeps of down-after.
const freshFor = 2 * time.Second

// Stale: the start as the master goes back to answers of so long ago that the
// sentinels may have chosen another one since (hazard S20). Whoever carries the step
// out stood still in between, or its disk did; it is to be decided anew.
func (s Step) Stale(now time.Time) bool {
	return s.Kind == StartRedis && s.Follow == (fleet.Addr{}) && now.Sub(s.Asked) > freshFor
}

// SameStart: the start that was prepared is the one that is decided now, so that a
// disk that is slow need not take what was written once more.
func (s Step) SameStart(now Step) bool {
	return s.Kind == now.Kind && s.Follow == now.Follow && s.Priority == now.Priority && s.SnapshotFirst == now.SnapshotFirst &&
		now.GaveUp == GaveUp{} && !now.Quick
}

// Outcome is what Plan decided: steps in order, and for each instance that is
// not where it should be the reason, with the fence's rule where it gave one.
type Outcome struct {
	Steps   []Step
	Reasons map[fleet.InstanceID]string
	Rules   map[fleet.InstanceID]string
}
