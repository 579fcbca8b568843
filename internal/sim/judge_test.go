package sim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// court is a world in which nothing runs, an hour after its beginning: what the judge
// says of a history that a test makes.
func court(t *testing.T) *World {
	t.Helper()
	w := &World{chance: 1, began: time.Now().Add(-time.Hour), cover: NewCoverage(), roster: newRoster()}
	for i := range nodeCount {
		n := &node{name: string(rune('a' + i)), host: nodeHost(i + 1)}
		w.nodes = append(w.nodes, n)
	}
	w.judge, w.consul = newJudge(t.Context(), w), newConsul(w)
	t.Cleanup(w.consul.server.Close)
	return w
}

// broke wants one broken promise whose text has all these words, or none.
func (w *World) broke(t *testing.T, words ...string) {
	t.Helper()
	if len(words) == 0 {
		if len(w.failures) > 0 {
			t.Errorf("broken: %q, want nothing", w.failures)
		}
		return
	}
	if !slices.ContainsFunc(w.failures, func(text string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
	}) {
		t.Errorf("broken: %q, want %q", w.failures, words)
	}
}

// TestMayLeave: a member that is the master, or whose fellows' sentinels are no
// majority without it, must not be taken out, unless nobody could know (one-at-a-time).
func TestMayLeave(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(w *World, r *roster)
		want []string
	}{
		"a replica of a group that is well":      {func(*World, *roster) {}, nil},
		"the master":                             {func(w *World, r *roster) { r.reign["a"] = w.now() - crowned - time.Second }, []string{"one-at-a-time", "has been the master"}},
		"the master, since a moment":             {func(w *World, r *roster) { r.reign["a"] = w.now() - time.Second }, nil},
		"another one is the master":              {func(w *World, r *roster) { r.reign["b"] = w.now() - time.Minute }, nil},
		"one of two others has no sentinel":      {func(w *World, r *roster) { delete(r.well, "b") }, []string{"one-at-a-time", "1 other sentinels", "2 must agree"}},
		"one of two others was well long ago":    {func(w *World, r *roster) { r.well["b"] = w.now() - told - time.Second }, []string{"1 other sentinels"}},
		"its own sentinel is down":               {func(w *World, r *roster) { delete(r.well, "a") }, nil},
		"the master, and nobody could know that": {func(w *World, r *roster) { r.reign["a"], r.doubt = 0, w.now()+time.Minute }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := court(t)
			for _, n := range w.nodes {
				w.roster.well[n.name] = w.now()
			}
			tc.edit(w, w.roster)
			w.judge.mayLeave(w.nodes[0], w.nodes)
			w.broke(t, tc.want...)
		})
	}
}

// put writes a record into the court's Consul.
func (w *World) put(t *testing.T, key string, record any) {
	t.Helper()
	b, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.consul.ask(http.MethodPut, "/v1/kv/"+key, b); rec.Code != http.StatusOK {
		t.Fatal(rec.Code, rec.Body)
	}
}

// TestRecoveredIsWhatThereWas: what Consul held when it lost all is compared with what
// an operator rebuilt (one-election, resumable, secrets-stay-secret).
func TestRecoveredIsWhatThereWas(t *testing.T) {
	type records struct {
		control fleet.Control
		group   *fleet.Group
		secret  fleet.Secret
		goal    *fleet.Goal
	}
	was := func() records {
		return records{
			fleet.Control{FleetID: "f1", Committed: 3}, &fleet.Group{ID: "g1"}, fleet.Secret{Sealed: "s1", Version: 1},
			&fleet.Goal{FleetID: "f1", Node: "a", Epoch: 3},
		}
	}
	write := func(t *testing.T, w *World, r records) {
		w.put(t, keys.Control(), r.control)
		w.put(t, keys.Secret("main"), r.secret)
		if r.group != nil {
			w.put(t, keys.Group("main"), r.group)
		}
		if r.goal != nil {
			w.put(t, keys.Goal("a"), r.goal)
		}
	}
	for name, tc := range map[string]struct {
		edit func(r *records)
		want []string
	}{
		"the same":                {func(*records) {}, nil},
		"a later epoch":           {func(r *records) { r.control.Committed = 4 }, nil},
		"another fleet":           {func(r *records) { r.control.FleetID = "f2" }, []string{"one-election", "was recovered as f2"}},
		"an earlier epoch":        {func(r *records) { r.control.Committed = 2 }, []string{"resumable", "recovered at epoch 2", "goal 3"}},
		"another decision":        {func(r *records) { r.group.ID = "g2" }, []string{"one-election", "is recovered as g2"}},
		"no decision":             {func(r *records) { r.group = nil }, []string{"one-election", "was not recovered"}},
		"another password":        {func(r *records) { r.secret.Sealed = "s2" }, []string{"secrets-stay-secret", "another one"}},
		"another version of it":   {func(r *records) { r.secret.Version = 2 }, []string{"secrets-stay-secret"}},
		"an older goal":           {func(r *records) { r.goal.Epoch = 2 }, []string{"resumable", "the goal that was recovered for a (epoch 2)"}},
		"another goal of its own": {func(r *records) { r.goal.Node = "b" }, []string{"resumable", "is not one that it followed"}},
		"no goal":                 {func(r *records) { r.goal = nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, before := court(t), was()
			write(t, w, before)
			goal, err := json.Marshal(before.goal)
			if err != nil {
				t.Fatal(err)
			}
			w.judge.epochs["a"] = 3
			w.judge.acted.follows("main", "a", "g1")
			w.judge.goals["a f1 3"] = string(goal)
			w.judge.forgets()
			w.consul.server.LoseAll()
			after := was()
			tc.edit(&after)
			write(t, w, after)
			w.judge.recovered()
			w.broke(t, tc.want...)
		})
	}
}

// TestTakenBack: a group that Consul had lost before it lost all is not held to serve
// after the recovery, and one that was there is; applied again it is, too.
func TestTakenBack(t *testing.T) {
	w := court(t)
	w.judge.acted.follows("main", "a", "g1")
	w.judge.acted.follows("more", "a", "g2")
	write := func(group string) {
		w.put(t, keys.Control(), &fleet.Control{FleetID: "f1"})
		w.put(t, keys.Group(group), &fleet.Group{Name: group, ID: "g1"})
	}
	write("main")
	w.put(t, keys.Secret("main"), &fleet.Secret{})
	w.judge.forgets()
	w.consul.server.LoseAll()
	write("main")
	w.put(t, keys.Secret("main"), &fleet.Secret{})
	w.judge.recovered()
	w.broke(t)
	if !w.judge.unnamed("more") || w.judge.unnamed("main") {
		t.Errorf("taken back: more %v, main %v", w.judge.unnamed("more"), w.judge.unnamed("main"))
	}
	write("more")
	if w.judge.unnamed("more") {
		t.Error("a group that was applied again counts as taken back")
	}
}

// TestRecoveredOutOfNothing: nothing was lost, and something was recovered.
func TestRecoveredOutOfNothing(t *testing.T) {
	w := court(t)
	w.judge.recovered()
	w.broke(t, "what Consul had not held was recovered")
}

// TestLookout: two servers that take writes at once for longer than the two looks that
// tell it, and not two that come one after the other.
func TestLookout(t *testing.T) {
	a, b, both := []string{"a"}, []string{"b"}, []string{"a", "b"}
	for name, tc := range map[string]struct {
		seen [][]string
		want bool
	}{
		"one":                        {[][]string{a, a, a, a, a}, false},
		"none, then another":         {[][]string{a, nil, nil, b, b}, false},
		"two for one look":           {[][]string{a, both, b, b, b}, false},
		"two for two looks":          {[][]string{a, both, both, b, b}, false},
		"two for three looks":        {[][]string{a, both, both, both, b}, false},
		"two for four looks":         {[][]string{a, both, both, both, both}, true},
		"two, one, and two again":    {[][]string{both, both, a, both, both, b, both, both}, false},
		"two from the first look on": {[][]string{both, both, both, both}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var l lookout
			found := false
			for i, masters := range tc.seen {
				found = l.tooLong(time.Second+time.Duration(i)*lookForMasters, masters) || found
			}
			if found != tc.want {
				t.Errorf("found: %v, want %v", found, tc.want)
			}
		})
	}
}

// TestMinority: two of three members without what their sentinels knew are excused, one
// after the other is not.
func TestMinority(t *testing.T) {
	all := []string{"a", "b", "c"}
	for name, tc := range map[string]struct {
		happens func(s *seats)
		want    bool
	}{
		"one disk":                        {func(s *seats) { s.wiped("a", all) }, false},
		"two at once":                     {func(s *seats) { s.wiped("a", all); s.wiped("b", all) }, true},
		"the second when the first knows": {func(s *seats) { s.wiped("a", all); s.runs("a"); s.wiped("b", all) }, false},
		"the same one twice":              {func(s *seats) { s.wiped("a", all); s.wiped("a", all) }, false},
		"one that is no member":           {func(s *seats) { s.runs("d"); s.wiped("d", all); s.wiped("a", all) }, false},
		"one that never knew":             {func(s *seats) { s.wiped("d", all); s.wiped("a", []string{"a", "b", "c", "d"}) }, false},
		"two of four are too many":        {func(s *seats) { s.runs("d"); s.wiped("d", all); s.wiped("a", append(all, "d")) }, true},
		"one while another was replaced":  {func(s *seats) { s.wiped("a", all); s.joins("d", []string{"a", "b", "d"}) }, true},
		"one when the new one knows": {func(s *seats) {
			s.joins("d", []string{"a", "b", "d"})
			s.runs("d")
			s.wiped("a", []string{"a", "b", "d"})
		}, false},
		"one that was a member before joins":  {func(s *seats) { s.runs("d"); s.wiped("a", all); s.joins("d", []string{"a", "b", "d"}) }, false},
		"one is replaced":                     {func(s *seats) { s.joins("d", []string{"a", "b", "d"}) }, false},
		"what was lost stays lost for judges": {func(s *seats) { s.wiped("a", all); s.wiped("b", all); s.runs("a"); s.runs("b") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s seats
			for _, node := range all {
				s.runs(node)
			}
			if tc.happens(&s); s.minority != tc.want {
				t.Errorf("a minority is left: %t, want %t", s.minority, tc.want)
			}
		})
	}
}
