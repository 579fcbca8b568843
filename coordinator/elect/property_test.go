package elect_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/redfleet/redfleet/coordinator/elect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// world is a generated fleet before its election.
type world struct {
	g        fleet.GroupSpec
	all      []elect.Candidate
	override string
}

func (w world) data() []elect.Candidate {
	return slices.DeleteFunc(slices.Clone(w.all), func(c elect.Candidate) bool { return !c.Dataset.Present })
}

func (w world) candidate(node string) elect.Candidate {
	i := slices.IndexFunc(w.all, func(c elect.Candidate) bool { return c.Node == node })
	return w.all[i]
}

func generate(withStates bool) *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		names := []string{"n1", "n2", "n3", "n4", "n5"}[:rapid.IntRange(1, 5).Draw(t, "nodes")]
		g := group()
		g.Nodes, g.Sentinel.Nodes = names, names
		g.Prefer = rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "prefer")
		w := world{g: g}
		for _, n := range names {
			w.all = append(w.all, generateNode(t, n, names, withStates))
		}
		if rapid.IntRange(0, 4).Draw(t, "overridden") == 0 {
			w.override = rapid.SampledFrom(append(slices.Clone(names), "n9")).Draw(t, "override")
		}
		return w
	})
}

func generateNode(t *rapid.T, n string, names []string, withState bool) elect.Candidate {
	b := on(n).ranked(rapid.SampledFrom([]int{0, 10, 100}).Draw(t, "priority")).in(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "zone"))
	if rapid.Bool().Draw(t, "data") {
		id := rapid.SampledFrom([]string{idA, idA, idA, idB, ""}).Draw(t, "replid")
		b = b.data(id, int64(rapid.IntRange(1, 4).Draw(t, "offset"))).newest(rapid.IntRange(0, 3).Draw(t, "newest"))
		if id == "" {
			b.Dataset.Offset = 0
		}
	}
	b.RunsMaster = rapid.IntRange(0, 4).Draw(t, "master") == 0
	if withState && rapid.Bool().Draw(t, "state") {
		b = b.names(rapid.SampledFrom(append([]string{"n9"}, names...)).Draw(t, "names"), uint64(rapid.IntRange(0, 2).Draw(t, "epoch")))
	}
	return b.Candidate
}

// TestNeverAnEmptyNodeOverData: promise data-wins, the operator's word included.
func TestNeverAnEmptyNodeOverData(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := generate(true).Draw(t, "world")
		d, err := elect.Initial(w.g, w.all, w.override)
		if err == nil && len(w.data()) > 0 && !w.candidate(d.Node).Dataset.Present {
			t.Fatalf("%s is empty and was chosen: %+v", d.Node, d)
		}
	})
}

// TestOrderOfCandidatesDoesNotMatter: promise one-election needs one answer.
func TestOrderOfCandidatesDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := generate(true).Draw(t, "world")
		d1, err1 := elect.Initial(w.g, w.all, w.override)
		d2, err2 := elect.Initial(w.g, rapid.Permutation(w.all).Draw(t, "permutation"), w.override)
		if diff := cmp.Diff(d1, d2); diff != "" {
			t.Fatal(diff)
		}
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Fatalf("%v, then %v", err1, err2)
		}
	})
}

// TestKnownDifferentLineagesStop: without a sentinel state nothing connects two
// replication ids.
func TestKnownDifferentLineagesStop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := generate(false).Draw(t, "world")
		ids := map[string]bool{}
		for _, c := range w.data() {
			ids[c.Dataset.ReplID] = true
		}
		d, err := elect.Initial(w.g, w.all, "")
		switch {
		case ids[idA] && ids[idB] && !errors.Is(err, elect.ErrLineages) && !errors.Is(err, elect.ErrUnknownLineage):
			t.Fatalf("decided %+v, %v", d, err)
		case ids[""] && len(w.data()) > 1 && err == nil:
			t.Fatalf("data of unknown origin was passed over: %+v", d)
		}
	})
}

// TestNobodyIsPassedOverWithoutAConnection: whatever the rule, each other node
// with data has the winner's id, or the states of a majority name one master and
// mention it.
func TestNobodyIsPassedOverWithoutAConnection(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := generate(true).Draw(t, "world")
		d, err := elect.Initial(w.g, w.all, "")
		if err != nil || len(w.data()) == 0 {
			return
		}
		winner := w.candidate(d.Node)
		for _, c := range w.data() {
			same := c.Dataset.ReplID != "" && c.Dataset.ReplID == winner.Dataset.ReplID
			if c.Node == winner.Node || same || connected(w, c) {
				continue
			}
			t.Fatalf("%s wins by %s, and nothing connects %s with it", d.Node, d.Rule, c.Node)
		}
	})
}

// connected says the same as the comment of vouched in other words: the master
// that most states name is in the group, and c, or a node with c's id, is it or
// names it.
func connected(w world, c elect.Candidate) bool {
	votes, states := map[fleet.Addr]int{}, 0
	for _, h := range w.all {
		if h.State != nil {
			states++
			votes[h.State.Master]++
		}
	}
	for master, n := range votes {
		if 2*n <= states {
			continue
		}
		for _, k := range w.data() {
			alike := k.Node == c.Node || k.Dataset.ReplID != "" && k.Dataset.ReplID == c.Dataset.ReplID
			if alike && (k.Addr == master || k.State != nil && k.State.Master == master) {
				return true
			}
		}
	}
	return false
}

// TestMostAdvancedOfOneLineageWins, unless the sentinels or the operator chose.
func TestMostAdvancedOfOneLineageWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := generate(false).Draw(t, "world")
		for i := range w.all {
			if w.all[i].Dataset.Present {
				w.all[i].Dataset.ReplID = idA
				w.all[i].Dataset.Offset = max(w.all[i].Dataset.Offset, 1)
			}
		}
		d, err := elect.Initial(w.g, w.all, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range w.data() {
			if c.Dataset.Offset > w.candidate(d.Node).Dataset.Offset {
				t.Fatalf("%s was chosen with a lower offset than %s", d.Node, c.Node)
			}
		}
	})
}
