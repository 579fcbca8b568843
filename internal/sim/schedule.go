package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/effect"
)

// Event is one thing that goes wrong, or that an operator does: at a time, or when
// the Nth effect of a label is reached.
type Event struct {
	At time.Duration
	// Label, where set, is waited for instead of At.
	Label effect.Label
	Point effect.Point
	Nth   int

	Kind Kind
	// Target is who or what it hits: a node, a coordinator, a group; "self" is who
	// reached the label. Other is the other end of a path.
	Target, Other string
	// For is how long it lasts; 0: at once and for good.
	For time.Duration
}

// Kind is a kind of event.
type Kind string

// The kinds of events.
const (
	KillAgent       Kind = "kill-agent"
	KillCoordinator Kind = "kill-coordinator"
	KillSelf        Kind = "kill-self"
	KillRedis       Kind = "kill-redis"
	KillSentinel    Kind = "kill-sentinel"
	StopRedis       Kind = "stop-redis"
	FreezeAgent     Kind = "freeze-agent"
	FreezeLeader    Kind = "freeze-coordinator"
	FreezeSelf      Kind = "freeze-self"
	FreezeRedis     Kind = "freeze-redis"
	FreezeHost      Kind = "freeze-host"
	PowerOff        Kind = "power-off"
	PowerOffAll     Kind = "power-off-all"
	Cut             Kind = "cut"
	CutOneWay       Kind = "cut-one-way"
	Isolate         Kind = "isolate"
	Slow            Kind = "slow-network"
	ConsulRefused   Kind = "consul-refused"
	ConsulNoLeader  Kind = "consul-no-leader"
	ConsulLost      Kind = "consul-requests-lost"
	ConsulMute      Kind = "consul-answers-lost"
	ConsulLate      Kind = "consul-late"
	ConsulAll       Kind = "consul-out-for-all"
	ExpireAgent     Kind = "expire-agent-session"
	ExpireLease     Kind = "expire-lease"
	Rollback        Kind = "consul-rollback"
	LoseConsul      Kind = "consul-loss"
	LoseData        Kind = "lose-data"
	LoseDisk        Kind = "lose-disk"
	ReadOnly        Kind = "read-only"
	Duplicate       Kind = "duplicate-node"
	Apply           Kind = "apply"
	ApplyMore       Kind = "apply-second-group"
	ApplyAgain      Kind = "apply-again"
)

// Schedule is what a run is made of beside its seed.
type Schedule struct {
	Seed uint64
	// Plain: instances are plain processes, not units of systemd.
	Plain bool
	// Persist: the group keeps its data on disk.
	Persist bool
	// Evidence: down-after is long enough for a failover on evidence.
	Evidence bool
	Events   []Event
}

// times of a run.
const (
	nodeCount        = 3
	coordinatorCount = 2
	// faultsEnd is when all that is broken is mended.
	faultsEnd = 30 * time.Second
	// settleMost is how long the fleet may take from then on.
	settleMost = 150 * time.Second
)

// Labels are all that a run can come by.
func Labels() []effect.Label {
	all := slices.Concat(agent.Labels(), boot.Labels(), coordinator.Labels(), recovery.Labels())
	slices.Sort(all)
	return slices.Compact(all)
}

// NewSchedule draws what a seed stands for.
func NewSchedule(seed uint64) Schedule {
	r := chance(seed).source("schedule")
	s := Schedule{Seed: seed, Plain: r.IntN(4) == 0, Persist: r.IntN(4) != 0, Evidence: chance(seed).source("evidence").IntN(2) == 0}
	s.Events = append(s.Events, Event{At: 500*time.Millisecond + random(r, time.Second), Kind: Apply, Target: "main"})
	for range 1 + r.IntN(7) {
		s.Events = append(s.Events, draw(r))
	}
	for range 1 + r.IntN(4) {
		s.Events = append(s.Events, drawAtLabel(r))
	}
	s.operators()
	s.recoveries()
	s.crashes()
	s.sort()
	return s
}

func (s *Schedule) sort() {
	slices.SortStableFunc(s.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
}

func random(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most)))
}

// when draws a time: while the group forms, or while it serves.
func when(r *rand.Rand) time.Duration {
	if r.IntN(3) == 0 {
		return time.Second + random(r, 4*time.Second)
	}
	return 4*time.Second + random(r, faultsEnd-12*time.Second)
}

// weights says how often each kind is drawn.
var drawn = []Kind{
	KillAgent, KillAgent, KillCoordinator, KillRedis, KillRedis, KillRedis, KillSentinel, StopRedis, FreezeAgent, FreezeLeader,
	FreezeLeader, FreezeRedis, FreezeHost, PowerOff, PowerOff, PowerOffAll, Cut, CutOneWay, Isolate, Slow, ConsulRefused, ConsulNoLeader,
	ConsulLost, ConsulMute, ConsulLate, ConsulAll, ExpireAgent, ExpireLease, ExpireLease, Rollback, LoseConsul, LoseData, LoseDisk,
	ReadOnly, Duplicate, ApplyMore, ApplyAgain,
}

func draw(r *rand.Rand) Event {
	e := Event{At: when(r), Kind: drawn[r.IntN(len(drawn))], For: 200*time.Millisecond + random(r, 12*time.Second)}
	e.Target = "n" + strconv.Itoa(1+r.IntN(nodeCount))
	e.Other = "n" + strconv.Itoa(1+r.IntN(nodeCount))
	switch e.Kind {
	case KillRedis, StopRedis, FreezeRedis, PowerOff, Isolate, LoseData:
		if r.IntN(2) == 0 {
			e.Target = "master" // whoever is at that time
		}
	case FreezeLeader, KillCoordinator:
		e.Target = "c" + strconv.Itoa(1+r.IntN(coordinatorCount))
		if e.Kind == FreezeLeader { // often longer than its lease
			e.For = 5*time.Second + random(r, 40*time.Second)
		}
	case ConsulRefused, ConsulNoLeader, ConsulLost, ConsulMute, ConsulLate:
		if r.IntN(3) == 0 {
			e.Target = "c" + strconv.Itoa(1+r.IntN(coordinatorCount))
		}
	case KillAgent, KillSentinel, ExpireAgent, ExpireLease, LoseConsul, ApplyMore, ApplyAgain:
		e.For = 0
	}
	if e.Other == e.Target {
		e.Other = "n" + strconv.Itoa(1+int(e.Target[len(e.Target)-1]-'0')%nodeCount)
	}
	return e
}

// atLabels are what can happen at the worst moment.
var atLabels = []Kind{KillSelf, KillSelf, KillSelf, FreezeSelf, FreezeSelf, ExpireLease, PowerOff, ConsulMute, ConsulLate, Rollback, LoseConsul, KillRedis}

func drawAtLabel(r *rand.Rand) Event {
	all := Labels()
	e := Event{Label: all[r.IntN(len(all))], Point: effect.Before, Nth: 1 + r.IntN(3), Kind: atLabels[r.IntN(len(atLabels))], Target: "self"}
	if r.IntN(2) == 0 {
		e.Point = effect.After
	}
	switch e.Kind {
	case FreezeSelf:
		e.For = 300*time.Millisecond + random(r, 35*time.Second)
	case KillSelf, ExpireLease, LoseConsul:
	case Rollback:
		e.For = time.Second + random(r, 10*time.Second)
	default:
		e.For = 200*time.Millisecond + random(r, 10*time.Second)
	}
	return e
}

// String is the schedule as a file; ParseSchedule reads it.
func (s Schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d plain=%t persist=%t evidence=%t\n", s.Seed, s.Plain, s.Persist, s.Evidence)
	for _, e := range s.Events {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// String is one line of the file.
func (e Event) String() string {
	at := "at " + e.At.String()
	if e.Label != "" {
		at = fmt.Sprintf("on %q %s %d", string(e.Label), e.Point, e.Nth)
	}
	return fmt.Sprintf("%s: %s target=%s other=%s for=%s", at, e.Kind, e.Target, e.Other, e.For)
}

// ParseSchedule reads what String writes; empty lines and those with # are left out.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "seed ") {
			if _, err := fmt.Sscanf(line, "seed %d plain=%t persist=%t evidence=%t", &s.Seed, &s.Plain, &s.Persist, &s.Evidence); err != nil {
				return s, fmt.Errorf("%q: %w", line, err)
			}
			continue
		}
		e, err := parseEvent(line)
		if err != nil {
			return s, fmt.Errorf("%q: %w", line, err)
		}
		s.Events = append(s.Events, e)
	}
	return s, nil
}

func parseEvent(line string) (Event, error) {
	var e Event
	at := strings.LastIndex(line, ": ")
	if at < 0 {
		return e, fmt.Errorf("want a time or a label, a colon and what happens")
	}
	head, tail := line[:at], line[at+2:]
	var err error
	if text, isTime := strings.CutPrefix(head, "at "); isTime {
		e.At, err = time.ParseDuration(text)
	} else {
		var label, point string
		_, err = fmt.Sscanf(head, "on %q %s %d", &label, &point, &e.Nth)
		e.Label, e.Point = effect.Label(label), effect.Point(point)
	}
	if err != nil {
		return e, err
	}
	for i, word := range strings.Fields(tail) {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case i == 0:
			e.Kind = Kind(word)
		case name == "target":
			e.Target = value
		case name == "other":
			e.Other = value
		case name == "for":
			e.For, err = time.ParseDuration(value)
		}
	}
	return e, err
}
