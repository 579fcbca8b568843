package fleettest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// history keeps every decision, secret and fleet identity that ever stood in
// Consul: one of each, or one-election does not hold.
type history struct {
	mu                         sync.Mutex
	decisions, secrets, fleets map[string]bool
	problems                   []string
	// losable: the test empties Consul, and what stood before that counts no more.
	losable, lost bool
	last          fleet.Group
}

func newHistory() *history {
	return &history{decisions: map[string]bool{}, secrets: map[string]bool{}, fleets: map[string]bool{}}
}

// watchHistory reads along until the test ends.
func watchHistory(t *testing.T, f *Fleet) *history {
	t.Helper()
	h := newHistory()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Client.WatchPrefix(ctx, f.Keys.Prefix(), func(entries []consul.Entry) { h.read(f.Keys, entries) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// mayEnd says whether Consul is going to be emptied; ended that it was, since when
// the history begins anew.
func (h *history) mayEnd(may bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.losable = may
}

func (h *history) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// read notes what stands. The index at which a key was made tells one that was
// deleted and made again between two looks.
func (h *history) read(keys fleet.Keys, entries []consul.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.losable && !h.lost && indexOfKey(entries, keys.Control()) < 0 {
		h.lost = true
		clear(h.decisions)
		clear(h.secrets)
		clear(h.fleets)
	}
	for _, e := range entries {
		switch e.Key {
		case keys.Group("main"):
			if g, ok := noted[fleet.Group](h, e); ok {
				h.decisions[fmt.Sprintf("made at %d: group %s, %+v", e.CreateIndex, g.ID, g.Decision)] = true
				h.last = g
			}
		case keys.Secret("main"):
			if s, ok := noted[fleet.Secret](h, e); ok {
				h.secrets[fmt.Sprintf("made at %d: version %d of group %s, %s", e.CreateIndex, s.Version, s.GroupID, s.Sealed)] = true
			}
		case keys.Control():
			if c, ok := noted[fleet.Control](h, e); ok {
				h.fleets[fmt.Sprintf("made at %d: fleet %s", e.CreateIndex, c.FleetID)] = true
			}
		}
	}
}

func indexOfKey(entries []consul.Entry, key string) int {
	return slices.IndexFunc(entries, func(e consul.Entry) bool { return e.Key == key })
}

func noted[T any](h *history, e consul.Entry) (T, bool) {
	v, err := records.Decode[T](e.Key, e.Value)
	if err != nil {
		h.problems = append(h.problems, err.Error())
	}
	return v, err == nil
}

// check fails the test where more than one of a kind ever stood, and gives the
// group.
func (h *history) check(t *testing.T) fleet.Group {
	t.Helper()
	eventually(t, servingIn, "the history has read the records", func() bool { // whoever asks Consul itself may be faster
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.decisions) > 0 && len(h.secrets) > 0 && len(h.fleets) > 0
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.faults() {
		t.Error(f)
	}
	return h.last
}

// faults is for a caller that holds mu.
func (h *history) faults() []string {
	out := slices.Clone(h.problems)
	for kind, seen := range map[string]map[string]bool{"decision": h.decisions, "secret": h.secrets, "fleet identity": h.fleets} {
		if len(seen) != 1 {
			out = append(out, fmt.Sprintf("%d values of the %s were recorded, want 1:\n%s", len(seen), kind, strings.Join(sortedKeys(seen), "\n")))
		}
	}
	return out
}

// TestHistoryNotices is the history's own control: it finds what was planted.
func TestHistoryNotices(t *testing.T) {
	t.Parallel()
	keys := fleet.KeysOf("test")
	group := fleet.Group{Format: fleet.Format, ID: "g", Name: "main", Decision: fleet.Decision{Node: "n1"}}
	other := group
	other.Decision.Node = "n2"
	sec := fleet.Secret{Format: fleet.Format, Group: "main", GroupID: "g", Version: 1, Sealed: "a"}
	resealed := sec
	resealed.Sealed = "b"
	control := fleet.Control{Format: fleet.Format, FleetID: "f"}
	committed := control
	committed.Committed = 7
	for name, tt := range map[string]struct {
		key         string
		first, then any
		made, anew  uint64
		faults      int
	}{
		"the same again":              {keys.Group("main"), group, group, 1, 1, 0},
		"a plan is committed":         {keys.Control(), control, committed, 1, 1, 0},
		"another decision":            {keys.Group("main"), group, other, 1, 1, 1},
		"the same decision made anew": {keys.Group("main"), group, group, 1, 9, 1},
		"another password":            {keys.Secret("main"), sec, resealed, 1, 1, 1},
		"a record that is garbage":    {keys.Group("main"), group, "?", 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			h.read(keys, []consul.Entry{entry(t, keys.Group("main"), group, 1), entry(t, keys.Secret("main"), sec, 1), entry(t, keys.Control(), control, 1)})
			h.read(keys, []consul.Entry{entry(t, tt.key, tt.first, tt.made), entry(t, tt.key, tt.then, tt.anew)})
			if got := h.faults(); len(got) != tt.faults {
				t.Errorf("%d faults, want %d: %q", len(got), tt.faults, got)
			}
		})
	}
}

func entry(t *testing.T, key string, v any, made uint64) consul.Entry {
	t.Helper()
	b, err := records.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return consul.Entry{Key: key, Value: b, CreateIndex: made}
}
