package redis

import (
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Instance is one entry of SENTINEL MASTER, REPLICAS or SENTINELS. A length of
// time is how long ago something was when the sentinel wrote the reply, to the
// millisecond.
type Instance struct {
	Addr fleet.Addr
	// RunID is a sentinel's myid, or a server's run id once its INFO was read.
	RunID string
	// Flags as written, as in "slave,s_down,disconnected".
	Flags string
	// PingPending is the age of the PING that waits for an answer; 0 when none does.
	PingPending time.Duration
	// LastAnswer is the age of the last good answer to a PING: PONG, LOADING or
	// MASTERDOWN. It counts from the creation of the link before there was one.
	LastAnswer time.Duration
	// DownFor is how long the instance has been subjectively down; 0 when it is not.
	DownFor   time.Duration
	DownAfter time.Duration

	// Of a master:

	ConfigEpoch  uint64
	NumReplicas  int
	NumSentinels int // the other ones
	Quorum       int
	// FailoverState is empty without a failover.
	FailoverState   string
	FailoverTimeout time.Duration
	ParallelSyncs   int

	// Of a replica, from its INFO:

	// SaysMaster: it says that it is a master.
	SaysMaster bool

	// InfoAge is the age of the last INFO. Master is zero before the first one.
	InfoAge time.Duration
	Master  fleet.Addr
	LinkUp  bool
	// LinkDownFor is how long the replica's link to its master has been down; 0
	// while it is up, negative when it never was up.
	LinkDownFor time.Duration
	Priority    int
	Offset      int64
}

// Has tells whether a flag is set.
func (i *Instance) Has(flag string) bool {
	for one := range strings.SplitSeq(i.Flags, ",") {
		if one == flag {
			return true
		}
	}
	return false
}

// Down: subjectively or objectively down.
func (i *Instance) Down() bool { return i.Has("s_down") || i.Has("o_down") }

// sureAfter is how far apart two ages in one entry must be to be told apart:
// the sentinel reads its clock anew for each of them.
const sureAfter = 2 * time.Millisecond

// Reached tells whether the instance has answered a PING on the link that the
// sentinel has to it, so at least once since the sentinel started (hazard S21).
// sure is false in the few milliseconds in which the reply cannot tell; a second
// look 2·sureAfter later can.
//
// The rule rests on sentinel.c. createInstanceLink sets act_ping_time (the
// PING that waits) and then last_avail_time (the last good answer) to the
// present, so without an answer PingPending ≥ LastAnswer for ever. A good
// answer sets the former to 0 and the latter to the present, and the next PING
// sets it again at least a ping period later: after an answer LastAnswer >
// PingPending, save for the moment in which both are 0. A refused password
// changes neither.
func (i *Instance) Reached() (reached, sure bool) {
	if i.LastAnswer > i.PingPending+sureAfter {
		return true, true
	}
	return false, i.PingPending > 0
}

// What Sentinel itself asks of a replica that it promotes (sentinel.c,
// sentinelSelectSlave, with SENTINEL_PING_PERIOD 1 s and SENTINEL_INFO_PERIOD 10 s).
const (
	pingPeriod = time.Second
	infoPeriod = 10 * time.Second
	// linkDownPeriods times down-after, and as long as the master is down, is
	// how old a replica's data may be.
	linkDownPeriods = 10
)

// Promotable tells whether the sentinel would take this replica now if it had to
// promote one, by the rules of sentinelSelectSlave: up and connected, answered a
// PING in the last 5 s, INFO no older than 30 s (5 s once the master is down),
// priority above 0, its link to the master not down for more than 10 × down-after
// beyond the master's own outage. CKQUORUM does not look at this (hazard S6).
//
// Sentinel's rules let a replica pass that was never in sync (hazard S19): who
// wants a good one must look at LinkUp too.
func (i *Instance) Promotable(master *Instance) bool {
	infoLimit := 3 * infoPeriod
	linkLimit := linkDownPeriods * master.DownAfter
	if master.Has("s_down") {
		infoLimit = 5 * pingPeriod
		linkLimit += master.DownFor
	}
	switch {
	case i.Down(), i.Has("disconnected"):
		return false
	case i.LastAnswer > 5*pingPeriod:
		return false
	case i.Priority == 0:
		return false
	case i.Master == fleet.Addr{}, i.InfoAge > infoLimit:
		return false
	default:
		return i.LinkDownFor <= linkLimit
	}
}

func parseInstances(items []any) []Instance {
	list := make([]Instance, 0, len(items))
	for _, item := range items {
		pairs, _ := item.([]any)
		list = append(list, parseInstance(pairs))
	}
	return list
}

// parseInstance reads the flat list of names and values of one entry.
func parseInstance(pairs []any) Instance {
	var i Instance
	for n := 0; n+1 < len(pairs); n += 2 {
		i.take(text(pairs[n]), pairs[n+1])
	}
	return i
}

// take reads the fields that every kind of instance has.
func (i *Instance) take(key string, v any) {
	switch key {
	case "ip":
		i.Addr.Host = text(v)
	case "port":
		i.Addr.Port = int(number(v))
	case "runid":
		i.RunID = text(v)
	case "flags":
		i.Flags = text(v)
	case "last-ping-sent":
		i.PingPending = millis(v)
	case "last-ok-ping-reply":
		i.LastAnswer = millis(v)
	case "s-down-time":
		i.DownFor = millis(v)
	case "down-after-milliseconds":
		i.DownAfter = millis(v)
	case "info-refresh":
		i.InfoAge = millis(v)
	default:
		i.takeMaster(key, v)
	}
}

func (i *Instance) takeMaster(key string, v any) {
	switch key {
	case "config-epoch":
		i.ConfigEpoch = uint64(max(0, number(v)))
	case "num-slaves":
		i.NumReplicas = int(number(v))
	case "num-other-sentinels":
		i.NumSentinels = int(number(v))
	case "quorum":
		i.Quorum = int(number(v))
	case "failover-state":
		i.FailoverState = text(v)
	case "failover-timeout":
		i.FailoverTimeout = millis(v)
	case "parallel-syncs":
		i.ParallelSyncs = int(number(v))
	default:
		i.takeReplica(key, v)
	}
}

func (i *Instance) takeReplica(key string, v any) {
	switch key {
	case "master-host":
		if host := text(v); host != "?" {
			i.Master.Host = host
		}
	case "role-reported":
		i.SaysMaster = text(v) == "master"
	case "master-port":
		i.Master.Port = int(number(v))
	case "master-link-status":
		i.LinkUp = text(v) == "ok"
	case "master-link-down-time":
		i.LinkDownFor = millis(v)
	case "slave-priority":
		i.Priority = int(number(v))
	case "slave-repl-offset":
		i.Offset = number(v)
	}
}

func millis(v any) time.Duration { return time.Duration(number(v)) * time.Millisecond }
