// Package recovery rebuilds a fleet's records in a Consul that lost them: `redfleet
// recover`. It reads what the agents offer, has package rebuild decide, and writes,
// the control record last: with it everything counts, and before it nothing does.
//
// It holds a lock of its own and not the coordinators' lease, so none of them has to
// be stopped: where agents of a fleet report and there is no control record, a
// coordinator writes nothing (package plan), and each transaction here is refused
// once there is one (promise one-election, hazard K8).
package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/coordinator/rebuild"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
)

// Options is what a recovery needs.
type Options struct {
	Client *consul.Client
	Fleet  string
	Key    secret.Key
	// Spec is the operator's, which is held against what the goals tell; nil to go
	// by those alone.
	Spec *fleet.Spec
	// Without are nodes that are gone for good.
	Without []string
	// Who recovers, for the event and for the lock.
	Who     string
	Effects effect.Runner
	Now     func() time.Time
}

// Finding is what a look has found.
type Finding struct {
	Plan rebuild.Plan
	// Spec is the record that is written.
	Spec fleet.SpecRecord
	// Offers and Reports are what it rests on.
	Offers  map[string]fleet.Recovery
	Reports map[string]fleet.ReportRecord
	// There are the keys that an earlier run, which was cut, has written already.
	There []string
	// Refused says why nothing may be written.
	Refused []string
	// specThere: Consul has a spec already, which says what the goals do.
	specThere bool
	// ops are the steps that are left, the last ones in final.
	ops, final []consul.Op
}

// Look reads the fleet and decides; it writes nothing.
func Look(ctx context.Context, o Options) (Finding, error) {
	keys := fleet.KeysOf(o.Fleet)
	entries, err := o.Client.List(ctx, keys.Prefix())
	if err != nil {
		return Finding{}, fmt.Errorf("reading the records of fleet %q: %w", o.Fleet, err)
	}
	w := records.WorldOf(o.Fleet, entries, o.Now())
	f := Finding{Reports: w.Reports}
	if w.Control != nil {
		f.refuse("Consul is not empty: it has the control record of fleet %s, at epoch %d; a Consul that was restored from an older "+
			"snapshot needs no recovery, the coordinator goes on above the highest epoch that it hears of", w.Control.FleetID, w.Control.Committed)
		return f, nil
	}
	f.Offers = f.offers(keys, entries)
	f.Plan = rebuild.Make(rebuild.Found{
		Fleet: o.Fleet, Now: o.Now(), Offers: f.Offers, Reports: w.Reports, Without: o.Without, Recipient: o.Key.Recipient(),
	})
	f.Refused = append(f.Refused, f.Plan.Refused...)
	if len(f.Offers) == 0 || len(f.Plan.Goals) == 0 {
		return f, nil
	}
	f.open(o.Key)
	f.spec(o, w)
	err = f.compare(keys, entries)
	slices.Sort(f.Refused)
	return f, err
}

func (f *Finding) refuse(format string, args ...any) {
	f.Refused = append(f.Refused, fmt.Sprintf(format, args...))
}

// offers reads the recovery records; one that cannot be read must not count as
// missing.
func (f *Finding) offers(keys fleet.Keys, entries []consul.Entry) map[string]fleet.Recovery {
	out := map[string]fleet.Recovery{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Key, keys.Recoveries()) {
			continue
		}
		r, err := records.Decode[fleet.Recovery](e.Key, e.Value)
		if err != nil {
			f.refuse("%v", err)
			continue
		}
		out[r.Node] = r
	}
	return out
}

// open tries the operator's key on each password: with another key the coordinators
// could not go on, and the fleet's true key is the proof of whose fleet it is.
func (f *Finding) open(key secret.Key) {
	for _, s := range f.Plan.Secrets {
		if _, err := key.Open(s.Sealed, s.Recipient); err != nil {
			f.refuse("the password of group %s: %v; use the key that the fleet's machines have", s.Group, err)
		}
	}
}

// compare finds what is there already. What says what would be written was written
// by a run that was cut (promise resumable); anything else is not to be written over.
func (f *Finding) compare(keys fleet.Keys, entries []consul.Entry) error {
	want, err := f.wanted(keys)
	if err != nil {
		return err
	}
	there := map[string]consul.Entry{}
	for _, e := range entries {
		if isRecord(keys, e.Key) {
			there[e.Key] = e
		}
	}
	for _, r := range want {
		e, found := there[r.key]
		delete(there, r.key)
		switch {
		case !found:
			f.add(r, consul.Create(r.key, r.value))
		case len(e.Value) == 0: // a key that was made to be watched
			f.add(r, consul.CAS(r.key, r.value, e.Index))
		case r.same(e):
			f.There = append(f.There, r.key)
		default:
			f.refuse("Consul is not empty: %s is there and says something else than the agents do; remove it if it is not wanted", r.key)
		}
	}
	for key, e := range there {
		if len(e.Value) > 0 {
			f.refuse("Consul is not empty: %s is there and no agent knows of it; remove it if it is not wanted", key)
		}
	}
	return nil
}

func isRecord(keys fleet.Keys, key string) bool {
	for _, folder := range []string{keys.Groups(), keys.Goals(), keys.Secret("")} {
		if strings.HasPrefix(key, folder) {
			return true
		}
	}
	return key == keys.Spec()
}

// ErrLocked: another run of the same command holds the lock.
var ErrLocked = errors.New("another redfleet recover is under way")

// ErrChanged: what was found is no longer what was shown.
var ErrChanged = errors.New("what the agents offer has changed meanwhile")
