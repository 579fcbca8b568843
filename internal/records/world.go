package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Reader is the part of the Consul client that reading a fleet needs. It only
// reads: no session is created and nothing is written (hazard K6).
type Reader interface {
	List(ctx context.Context, prefix string, need ...string) ([]consul.Entry, error)
	Services(ctx context.Context, name string) ([]fleet.ServiceEntry, error)
}

var _ Reader = (*consul.Client)(nil)

// LoadWorld reads all records of a fleet in one recursive request, so that they
// are of one moment, and with withServices also the catalog entries of each
// group. The error is that of Consul alone: what Consul holds but cannot be
// read stands in the world as a Problem. The sealed secrets need not be readable:
// a viewer's token hides them.
func LoadWorld(ctx context.Context, c Reader, name string, now time.Time, withServices bool) (fleet.World, error) {
	entries, err := c.List(ctx, fleet.KeysOf(name).Prefix(), fleet.KeysOf(name).Open()...)
	if err != nil {
		return fleet.World{}, fmt.Errorf("reading the records of fleet %q: %w", name, err)
	}
	w := WorldOf(name, entries, now)
	if !withServices {
		return w, nil
	}
	w.Services, err = Services(ctx, c, w.Spec)
	return w, err
}

// Services reads the catalog entries of every group of the spec. The list is
// never nil, which would mean "not read"; without a spec it is empty.
func Services(ctx context.Context, c Reader, spec *fleet.SpecRecord) ([]fleet.ServiceEntry, error) {
	all := []fleet.ServiceEntry{}
	if spec == nil {
		return all, nil
	}
	for _, g := range spec.Spec.Groups {
		entries, err := c.Services(ctx, g.Service)
		if err != nil {
			return nil, fmt.Errorf("reading service %q of group %q: %w", g.Service, g.Name, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

// WorldOf sorts the entries below the fleet's prefix into a World. It is pure:
// one unreadable record hides no other. Keys that are no records of this
// program (events, secrets, the lease, what a newer one keeps) are left aside.
func WorldOf(name string, entries []consul.Entry, now time.Time) fleet.World {
	keys := fleet.KeysOf(name)
	w := fleet.World{
		Now:      now,
		Groups:   map[string]fleet.Group{},
		Goals:    map[string]fleet.Goal{},
		Reports:  map[string]fleet.ReportRecord{},
		Requests: map[string]fleet.Request{},
		Problems: map[string]string{},
	}
	for _, e := range entries {
		switch {
		case e.Key == keys.Spec():
			w.Spec = specOf(&w, e)
		case e.Key == keys.Control():
			if c, ok := decode[fleet.Control](&w, e); ok {
				w.Control = &c
			}
		case strings.HasPrefix(e.Key, keys.Groups()):
			if g, ok := decode[fleet.Group](&w, e); ok {
				w.Groups[g.Name] = g
			}
		case strings.HasPrefix(e.Key, keys.Goals()):
			if g, ok := decode[fleet.Goal](&w, e); ok {
				w.Goals[g.Node] = g
			}
		case strings.HasPrefix(e.Key, keys.Reports()):
			addReport(&w, e)
		case strings.HasPrefix(e.Key, keys.Requests()):
			if r, ok := decode[fleet.Request](&w, e); ok {
				w.Requests[r.ID] = r
			}
		}
	}
	lostGroups(&w, keys, entries)
	return w
}

// lostGroups finds groups of the spec that have a secret and no record. Both are
// made in one transaction, so the record was removed: it must not count as never
// made (promise one-election).
func lostGroups(w *fleet.World, keys fleet.Keys, entries []consul.Entry) {
	if w.Spec == nil {
		return
	}
	for _, g := range w.Spec.Spec.Groups {
		key, sealed := keys.Group(g.Name), keys.Secret(g.Name)
		_, there := w.Groups[g.Name]
		left := slices.ContainsFunc(entries, func(e consul.Entry) bool { return e.Key == sealed && len(e.Value) > 0 })
		if left && !there && w.Problems[key] == "" {
			w.Problems[key] = fmt.Sprintf("%s is missing, and %s, which was made with it, is there: restore Consul's data, "+
				"or delete that key too to have the group formed anew", key, sealed)
		}
	}
}

// decode reads one record; what cannot be read becomes a Problem, and what was
// not written yet is nothing at all.
func decode[T any](w *fleet.World, e consul.Entry) (T, bool) {
	v, err := Decode[T](e.Key, e.Value)
	if err != nil && !errors.Is(err, ErrEmpty) {
		w.Problems[e.Key] = err.Error()
	}
	return v, err == nil
}

// specOf resolves the defaults, so that no reader has to.
func specOf(w *fleet.World, e consul.Entry) *fleet.SpecRecord {
	rec, ok := decode[fleet.SpecRecord](w, e)
	if !ok {
		return nil
	}
	rec.Spec = rec.Spec.WithDefaults()
	return &rec
}

func addReport(w *fleet.World, e consul.Entry) {
	node := fleet.Base(e.Key)
	if node == "" {
		return
	}
	rep, err := Decode[fleet.Report](e.Key, e.Value)
	switch {
	case errors.Is(err, ErrEmpty):
		// Created for the watch and never written: the node is not in yet.
	case err != nil:
		w.Reports[node] = fleet.ReportRecord{Alive: e.Session != "", Index: e.Index, Problem: err.Error()}
	default:
		w.Reports[node] = fleet.ReportRecord{Report: rep, Alive: e.Session != "", Index: e.Index}
	}
}
