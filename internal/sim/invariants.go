package sim

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/redismodel"
)

// judge holds the run to the promises. It goes by what it sees itself: the writes
// that Consul took, the files on the disks, the bytes on the wire.
type judge struct {
	w   *World
	ctx context.Context

	mu sync.Mutex
	// makers says which process made a session.
	makers map[string]*process
	// elected are the decisions that were ever recorded, by group.
	elected map[string]map[string]string
	// goals are the goals of a node by epoch, as they were committed; epochs the
	// highest that each node followed.
	goals map[string]string
	acted decisions
	// assigned is what a node's goal says of its instances.
	assigned map[string]map[fleet.InstanceID]fleet.State
	epochs   map[string]uint64
	// keeps are the nodes that have their group's password on disk.
	keeps map[string]bool
	// sentinels is what each sentinel.conf said before it was written.
	sentinels  map[string]redisconf.SentinelState
	states     map[fleet.InstanceID]map[string]fleet.State
	lostConsul bool
	// before is what Consul held when it last lost something; recoveries are how often
	// an operator rebuilt it.
	before     *lostState
	recoveries int
	// takenBack are the groups that nodes act on and that Consul had lost before it lost
	// the rest: no recovery brings them back.
	takenBack  map[string]bool
	halfFormed bool
	backAt     time.Duration
	lostDisk   map[string]bool
	wipedEver  map[string]bool
	seats      seats
	duplicates map[string]bool
}

func newJudge(ctx context.Context, w *World) *judge {
	return &judge{
		w: w, ctx: ctx, makers: map[string]*process{}, elected: map[string]map[string]string{}, goals: map[string]string{}, assigned: map[string]map[fleet.InstanceID]fleet.State{}, acted: decisions{}, takenBack: map[string]bool{},
		epochs: map[string]uint64{}, keeps: map[string]bool{}, sentinels: map[string]redisconf.SentinelState{},
		states: map[fleet.InstanceID]map[string]fleet.State{}, duplicates: map[string]bool{}, lostDisk: map[string]bool{}, wipedEver: map[string]bool{},
	}
}

// secrets: no password in clear where it must not be (secrets-stay-secret).
func (j *judge) secrets(where string, text []byte) {
	if p := j.w.clients.known(); p != "" && bytes.Contains(text, []byte(p)) {
		j.w.fail("secrets-stay-secret", "the password is in clear in %s", where)
	}
}

func (j *judge) argv(argv []string) { j.secrets("an argument list", []byte(strings.Join(argv, " "))) }

// sent looks at what redfleet says to an instance: never a role
// (sentinel-owns-master), never an end or an empty database (fail-static, data-wins).
func (j *judge) sent(p *process, b []byte) {
	for line := range bytes.Lines(b) {
		word := bytes.TrimSuffix(line, []byte("\r\n"))
		if len(word) < len("SLAVEOF") || len(word) > len("REPLICAOF") {
			continue
		}
		for _, bad := range []string{"REPLICAOF", "SLAVEOF", "FLUSHALL", "FLUSHDB", "SHUTDOWN"} {
			if bytes.EqualFold(word, []byte(bad)) {
				j.w.fail("sentinel-owns-master", "%s sent %s to an instance", p.name, bad)
			}
		}
	}
}

func (w *World) sent(p *process, b []byte) { w.judge.sent(p, b) }

// ended: a daemon gives up only over a name that is taken.
func (j *judge) ended(p *process, err error) {
	j.mu.Lock()
	node, _, _ := strings.Cut(p.name, "/")
	twins := j.duplicates[strings.TrimPrefix(node, "twin-")]
	j.mu.Unlock()
	if twins && errors.Is(err, agent.ErrNameTaken) {
		j.w.cover.rule("name taken")
		return
	}
	j.w.fail("fail-static", "%s ended: %v", p.name, err)
}

// exit: what a process's end means for the data it held, and whether it had a
// reason that a fault gave it.
func (j *judge) exit(n *node, id fleet.InstanceID, e redismodel.Exit) {
	if !j.w.schedule.Persist && strings.HasPrefix(string(id), "redis-main") {
		j.lost(n)
	}
	_ = e
}

// masterNode is the node of the master that clients were told last.
func (j *judge) masterNode() string {
	j.w.clients.mu.Lock()
	defer j.w.clients.mu.Unlock()
	for _, n := range j.w.nodes {
		if n.host == j.w.clients.master.Host {
			return n.name
		}
	}
	return ""
}

// known is the password, once there is one.
func (c *clients) known() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.password
}
