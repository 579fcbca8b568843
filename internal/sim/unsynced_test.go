package sim

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestUnsynced: which of the writes that every server had may be gone after losses of
// power. Each was written so many seconds before now; "all" of them is 1, 3, 8 and 20.
func TestUnsynced(t *testing.T) {
	all := []int{1, 3, 8, 20}
	for name, tc := range map[string]struct {
		do   func(w *World, off func(nodes ...int))
		kept []int
	}{
		"nothing happens":                 {func(*World, func(...int)) {}, all},
		"one server":                      {func(_ *World, off func(...int)) { off(0) }, all},
		"two of three":                    {func(_ *World, off func(...int)) { off(0, 1) }, all},
		"all":                             {func(_ *World, off func(...int)) { off(0, 1, 2) }, []int{3, 8, 20}},
		"one, and all when it is on long": {func(w *World, off func(...int)) { off(2); w.hostOf(w.nodes[2].host).off = false; off(0, 1, 2) }, []int{3, 8, 20}},
		"a disk took nothing": {func(w *World, off func(...int)) {
			w.readOnlySince(0, 5*time.Second, 0)
			off(0)
		}, all},
		"a disk took nothing, and all lose power": {func(w *World, off func(...int)) {
			w.readOnlySince(0, 5*time.Second, 0)
			off(0, 1, 2)
		}, []int{8, 20}},
		"it takes all again, since a moment": {func(w *World, off func(...int)) {
			w.readOnlySince(0, 5*time.Second, time.Second)
			off(0, 1, 2)
		}, []int{8, 20}},
		"it takes all again": {func(w *World, off func(...int)) {
			w.readOnlySince(0, 5*time.Second, 2*time.Second)
			off(0, 1, 2)
		}, []int{3, 8, 20}},
		"one had lost its data before": {func(w *World, off func(...int)) { w.judge.lost(w.nodes[0]); off(0, 1, 2) }, []int{3, 8, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			w := court(t)
			w.hosts, w.clients = map[string]*host{}, &clients{w: w, safe: map[int]*copies{}, stuck: map[string]stuck{}}
			for _, age := range all {
				w.clients.everywhere(age, w.nodes)
			}
			for age, k := range w.clients.safe {
				k.at = w.now() - time.Duration(age)*time.Second
			}
			tc.do(w, func(nodes ...int) {
				for _, n := range nodes {
					w.hostOf(w.nodes[n].host).off = true
					w.clients.lostPower(w.nodes[n])
				}
			})
			if got := slices.Sorted(maps.Keys(w.clients.safe)); !slices.Equal(got, tc.kept) {
				t.Errorf("still looked for: %v, want %v", got, tc.kept)
			}
		})
	}
}

// readOnlySince: a node's disk took nothing from so long ago on, until so long ago; 0
// is until now.
func (w *World) readOnlySince(node int, since, until time.Duration) {
	name := w.nodes[node].name
	w.clients.syncsNothing(name, true)
	if until > 0 {
		w.clients.syncsNothing(name, false)
	}
	s := w.clients.stuck[name]
	s.since = w.now() - since
	if until > 0 {
		s.until = w.now() - until
	}
	w.clients.stuck[name] = s
}
