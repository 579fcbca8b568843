package fleettest

import (
	"context"
	"fmt"
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
	last                       fleet.Group
}

// watchHistory reads along until the test ends.
func watchHistory(t *testing.T, f *Fleet) *history {
	t.Helper()
	h := &history{decisions: map[string]bool{}, secrets: map[string]bool{}, fleets: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Client.WatchPrefix(ctx, f.Keys.Prefix(), func(entries []consul.Entry) { h.read(f.Keys, entries) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// read notes what stands. The index at which a key was made tells one that was
// deleted and made again between two looks.
func (h *history) read(keys fleet.Keys, entries []consul.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
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

func noted[T any](h *history, e consul.Entry) (T, bool) {
	v, err := records.Decode[T](e.Key, e.Value)
	if err != nil {
		h.problems = append(h.problems, err.Error())
	}
	return v, err == nil
}

// check tells where more than one of a kind ever stood, and gives the group.
func (h *history) check(t *testing.T) fleet.Group {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for kind, seen := range map[string]map[string]bool{"decision": h.decisions, "secret": h.secrets, "fleet identity": h.fleets} {
		if len(seen) != 1 {
			t.Errorf("%d values of the %s were recorded, want 1:\n%s", len(seen), kind, strings.Join(sortedKeys(seen), "\n"))
		}
	}
	for _, p := range h.problems {
		t.Error(p)
	}
	return h.last
}
