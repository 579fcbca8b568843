package redismodel

import (
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

func (s *sentinel) describeAll(list []*watched) value {
	v := items()
	for _, i := range list {
		v.list = append(v.list, s.describe(i))
	}
	return v
}

// flags are the words in the order of the engine.
func (i *watched) flags() string {
	var words []string
	add := func(yes bool, word string) {
		if yes {
			words = append(words, word)
		}
	}
	add(i.sDown, "s_down")
	add(i.oDown, "o_down")
	add(true, i.kind.String())
	add(i.disconnected, "disconnected")
	add(i.saysDown, "master_down")
	add(i.failing, "failover_in_progress")
	add(i.isPromoted, "promoted")
	add(i.reconfSent, "reconf_sent")
	add(i.reconfInprog, "reconf_inprog")
	add(i.reconfDone, "reconf_done")
	add(i.forced, "force_failover")
	add(i.rebooted, "master_reboot")
	return strings.Join(words, ",")
}

// describe is one entry of SENTINEL MASTER, REPLICAS or SENTINELS.
func (s *sentinel) describe(i *watched) value {
	e := &entry{words: make([]string, 0, 64)}
	name := i.name
	switch i.kind {
	case roleReplica:
		name = i.addr.String()
	case rolePeer:
		name = i.runID
	}
	e.add("name", name)
	e.add("ip", i.addr.Host)
	e.number("port", int64(i.addr.Port))
	e.add("runid", i.runID)
	e.add("flags", i.flags())
	e.number("link-pending-commands", int64(i.pending))
	e.number("link-refcount", 1)
	if i.failing {
		e.add("failover-state", i.phase.String())
	}
	e.age("last-ping-sent", i.pingWaits)
	e.age("last-ok-ping-reply", i.lastGood)
	e.age("last-ping-reply", i.lastPong)
	if i.sDown {
		e.age("s-down-time", i.sDownSince)
	}
	if i.oDown {
		e.age("o-down-time", i.oDownSince)
	}
	e.number("down-after-milliseconds", i.group().downAfter.Milliseconds())
	if i.kind != rolePeer {
		e.age("info-refresh", i.infoAt)
		e.add("role-reported", i.reported.String())
		e.age("role-reported-time", i.reportedAt)
	}
	switch i.kind {
	case roleMaster:
		e.ofMaster(i)
	case roleReplica:
		e.ofReplica(i)
	case rolePeer:
		e.age("last-hello-message", i.lastHello)
		leader := i.leader
		if leader == "" {
			leader = "?"
		}
		e.add("voted-leader", leader)
		e.number("voted-leader-epoch", int64(i.leaderEpoch))
	}
	return strs(e.words...)
}

// entry is a flat list of names and values.
type entry struct{ words []string }

func (e *entry) add(name, v string)          { e.words = append(e.words, name, v) }
func (e *entry) number(name string, n int64) { e.add(name, strconv.FormatInt(n, 10)) }

// age is in milliseconds; 0 for what never was.
func (e *entry) age(name string, t time.Time) {
	if t.IsZero() {
		e.number(name, 0)
		return
	}
	e.number(name, time.Since(t).Milliseconds())
}

func (e *entry) ofMaster(m *watched) {
	e.add("config-epoch", strconv.FormatUint(m.configEpoch, 10))
	e.number("num-slaves", int64(len(m.replicas)))
	e.number("num-other-sentinels", int64(len(m.peers)))
	e.number("quorum", int64(m.quorum))
	e.number("failover-timeout", m.failoverTimeout.Milliseconds())
	e.number("parallel-syncs", int64(m.parallelSyncs))
}

func (e *entry) ofReplica(r *watched) {
	e.number("master-link-down-time", r.linkDownFor.Milliseconds())
	word := "err"
	if r.linkOK {
		word = "ok"
	}
	e.add("master-link-status", word)
	following := r.following
	if following == (fleet.Addr{}) {
		following.Host = "?"
	}
	e.add("master-host", following.Host)
	e.number("master-port", int64(following.Port))
	e.number("slave-priority", int64(r.priority))
	e.number("slave-repl-offset", r.offset)
	e.add("replica-announced", "1")
}
