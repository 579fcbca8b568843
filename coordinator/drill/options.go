// Package drill carries out a rehearsal on a live group: `redfleet drill`. Clients of
// its own write all the time (package history/record) while one thing is done to the
// group; then it waits until the group is whole again, looks what every server kept,
// removes its keys and reports. What is judged, and how, is in internal/drill.
//
// It is no part of the coordinator: it runs where the operator is.
package drill

import (
	"errors"
	"time"

	"github.com/redfleet/redfleet/coordinator/switchover"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/secret"
)

// The errors that a caller tells apart with errors.Is.
var (
	// ErrLocked: another drill of the fleet is under way, or a planned failover.
	ErrLocked = errors.New("a drill or failover of this fleet is under way")
	// ErrRefused: the group is not fit for it; the error says for which reasons.
	ErrRefused = errors.New("nothing was done")
	// ErrElsewhere: the group is fit for it, and its master is not on Options.From. It is
	// an ErrRefused too.
	ErrElsewhere = errors.New("the master is on another node")
	// ErrNoEffect: what was to be done on the master's machine did not show in time.
	ErrNoEffect = errors.New("nothing happened to the group in the time given")
)

// The labels of a drill's effects.
const (
	LabelLock    effect.Label = "drill: hold the lock"
	LabelUnlock  effect.Label = "drill: give the lock up"
	LabelCommand effect.Label = "drill: run the command on the master's machine"
)

// Labels are all of them, with those of a planned failover.
func Labels() []effect.Label {
	return append([]effect.Label{LabelLock, LabelUnlock, LabelCommand}, switchover.Labels()...)
}

// Options of a drill.
type Options struct {
	Client *consul.Client
	Fleet  string
	Group  string
	Kind   drill.Kind
	// From is the node that the master must be on; empty for any. What was shown to a
	// person, and agreed to, must still be so when it is done.
	From string
	Key  secret.Key
	// Cut is how long an isolation lasts.
	Cut time.Duration
	// Timeout bounds the wait for the effect, and, from the end of the fault on, the
	// wait for the whole group.
	Timeout time.Duration
	// Force names checks of redfleet verify that may be bad.
	Force []string
	// Via is the command, with {node} and {address} in it, that runs another on the
	// master's machine; empty where a person does.
	Via []string
	// Who is put into the lock, for people.
	Who     string
	Effects effect.Runner
	// Tell shows a person how far it is.
	Tell func(format string, args ...any)
}

// limit is how long a whole drill may take; the lock lasts as long.
func (o Options) limit() time.Duration { return o.Cut + 2*o.Timeout + time.Minute }

// Finding is what Look saw and how it is judged.
type Finding struct {
	Target drill.Target
	drill.Judgement
}

// Outcome is a drill that was carried out.
type Outcome struct {
	Report  drill.Report
	History history.History
	Checked history.Result
}
