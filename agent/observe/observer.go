// Package observe gathers what is true on a node: the units, the files and the
// answers of its instances, and, where a decision needs them, the answers of the
// group's other instances. It changes nothing.
package observe

import (
	"context"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/secret"
)

// Units tells the state of units; part of the agent's Supervisor.
type Units interface {
	Status(ctx context.Context, name fleet.InstanceID) (fleet.UnitStatus, error)
}

// Observer keeps connections to the node's instances and what was seen of them.
// It is not safe for concurrent use.
type Observer struct {
	DataDir string
	Store   *state.Store
	Units   Units
	Now     func() time.Time
	// DownSince tells since when an instance is down that this observer sees down
	// for the first time; nil: since now.
	DownSince func(fleet.InstanceID) time.Time
	// Network is how instances and ports are asked.
	Network Network
	// StrandedFor is the constant of that name but in tests.
	StrandedFor time.Duration

	watched map[fleet.InstanceID]*watched
}

// watched is what the observer keeps of one instance between looks.
type watched struct {
	server   *redis.Server
	sentinel *redis.SentinelClient
	password secret.Password
	addr     fleet.Addr

	downSince  time.Time
	invocation string
	// Results that hold for the process of this invocation.
	rewriteAt    time.Time
	rewriteFile  fileMark
	rewriteError string
	writeRefused bool
	probeClear   bool
	probes       probes
	drift        []string
	driftAt      time.Time
	stranded     stranded
}

// Seen is what one look found of one instance.
type Seen struct {
	Facts    converge.Instance
	Info     *redis.Info
	Sentinel *redis.View
	Probes   []fleet.PeerProbe
	// RewriteError is the last reply of CONFIG REWRITE that was not OK.
	RewriteError string
	WriteRefused bool
	ProbeSeen    string
	// FileLineage is what the data files of a running server tell, looked at when
	// CONFIG REWRITE is due; empty where they tell none.
	FileLineage string
	// EmptyMark is the mark of the append-only files of a server without keys.
	EmptyMark string
	// Drift are directives whose live value is not the rendered one.
	Drift []string
	// Unmoved: an adopted instance still runs under the unit that it was adopted from.
	Unmoved bool
	// Answer says why the process gives no answer; empty when it does.
	Answer string
}

// New gives an Observer without connections.
func New(dataDir string, store *state.Store, units Units, now func() time.Time) *Observer {
	return &Observer{DataDir: dataDir, Store: store, Units: units, Now: now, Network: Machine{}, StrandedFor: StrandedFor, watched: map[fleet.InstanceID]*watched{}}
}

// Close closes the connections and ends the probes.
func (o *Observer) Close() {
	for _, w := range o.watched {
		w.close()
	}
}

func (w *watched) close() {
	w.probes.stop()
	if w.server != nil {
		w.server.Close()
	}
	if w.sentinel != nil {
		w.sentinel.Close()
	}
	w.server, w.sentinel = nil, nil
}

// Look observes one instance of the goal.
func (o *Observer) Look(ctx context.Context, g fleet.InstanceGoal, password secret.Password) Seen {
	w := o.watched[g.ID]
	if w == nil {
		w = &watched{}
		o.watched[g.ID] = w
	}
	if w.password.Reveal() != password.Reveal() || w.addr != g.Addr { // a goal can name another address (simulation, seed 1201)
		w.close()
		w.password, w.addr = password, g.Addr
	}
	s := o.files(g)
	unit, err := o.unit(ctx, g, &s)
	if err != nil {
		s.Facts.Problem = err.Error()
		return s
	}
	s.Facts.Unit = unit
	if unit.State != fleet.UnitActive && s.Unmoved {
		w.close()
		return s // what it would start as is asked once it has moved
	}
	if unit.State != fleet.UnitActive {
		return o.down(ctx, g, w, s)
	}
	if w.invocation != unit.Invocation {
		w.close()
		*w = watched{password: password, addr: g.Addr, invocation: unit.Invocation, downSince: w.downSince}
	}
	if g.Kind == fleet.KindSentinel {
		o.sentinel(ctx, g, w, &s)
	} else {
		o.server(ctx, g, w, &s)
	}
	if s.Answer == "" {
		w.downSince = time.Time{}
	}
	return s
}

// files reads what the disk says; cheap enough for every look.
func (o *Observer) files(g fleet.InstanceGoal) Seen {
	var s Seen
	identity, err := apply.Identity(o.DataDir, g.ID)
	s.Facts.Identity = identity
	if err == nil {
		_, err = o.Store.Instance(g.ID, &s.Facts.Memory)
	}
	if err == nil {
		s.Facts.Boot, err = o.Store.Boot()
	}
	if err != nil {
		s.Facts.Problem = err.Error()
	}
	return s
}

// Rewrote notes the reply to a CONFIG REWRITE that was tried.
func (o *Observer) Rewrote(id fleet.InstanceID, err error) {
	w := o.watched[id]
	if w == nil {
		return
	}
	w.rewriteAt, w.rewriteError = o.Now(), ""
	if err != nil {
		w.rewriteError = err.Error()
	}
	w.rewriteFile = o.mark(id)
}

// TriedWrite notes that a write to a replica was refused, or was not.
func (o *Observer) TriedWrite(id fleet.InstanceID, refused bool) {
	if w := o.watched[id]; w != nil {
		w.writeRefused = refused
	}
}

// Connections are those for steps; nil while the instance is down.
func (o *Observer) Connections(id fleet.InstanceID) (*redis.Server, *redis.SentinelClient) {
	w := o.watched[id]
	if w == nil {
		return nil, nil
	}
	return w.server, w.sentinel
}
