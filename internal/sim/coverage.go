package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/coordinator"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Coverage is how often each thing came up.
type Coverage struct {
	mu     sync.Mutex
	Faults map[Kind]int
	Labels map[string]int
	States map[string]int
	// Rows are the rows of the table of transitions, by their names here.
	Rows  map[string]int
	Rules map[string]int
	// Safe are the writes that every server had, which were all looked for at the end.
	Safe int
}

// NewCoverage has nothing in it.
func NewCoverage() *Coverage {
	return &Coverage{Faults: map[Kind]int{}, Labels: map[string]int{}, States: map[string]int{}, Rows: map[string]int{}, Rules: map[string]int{}}
}

func (c *Coverage) fault(k Kind) { c.mu.Lock(); c.Faults[k]++; c.mu.Unlock() }

func (c *Coverage) rule(name string) { c.mu.Lock(); c.Rules[name]++; c.mu.Unlock() }

func (c *Coverage) safe(n int) { c.mu.Lock(); c.Safe += n; c.mu.Unlock() }

func (c *Coverage) state(from, to fleet.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.States[string(from)+" to "+string(to)]++
}

// row is a row of the table of transitions by its name.
func row(t fleet.Transition) string {
	return "transition " + string(t.Current) + " to " + string(t.Assigned) + " by " + string(t.Step)
}

// transition counts the row that an instance went through.
func (c *Coverage) transition(from, assigned, to fleet.State) {
	t, err := fleet.TransitionFor(from, assigned)
	if err != nil || t.Next != to {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Rows[row(t)]++
}

func (c *Coverage) label(l effect.Label, at effect.Point, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Labels[string(at)+" "+string(l)] += n
}

// Add takes over what another run saw.
func (c *Coverage) Add(o *Coverage) {
	add(c.Faults, o.Faults)
	add(c.Labels, o.Labels)
	add(c.States, o.States)
	add(c.Rows, o.Rows)
	add(c.Rules, o.Rules)
	c.Safe += o.Safe
}

func add[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

// Missing names what should have come up in that many seeds and never did: kinds of
// faults, points of labels, and rows of the table of transitions, but for those of
// Unreached, and of Rare where the seeds are too few for them.
func (c *Coverage) Missing(seeds int) []string {
	if seeds < seedsForMost {
		return nil
	}
	out, never, rare := c.zero(), Unreached(), Rare()
	return slices.DeleteFunc(out, func(name string) bool {
		return never[name] != "" || seeds < seedsForAll && rare[name] != ""
	})
}

func (c *Coverage) zero() []string {
	var out []string
	for _, k := range Kinds() {
		if c.Faults[k] == 0 {
			out = append(out, "fault "+string(k))
		}
	}
	for _, l := range Labels() {
		for _, at := range []effect.Point{effect.Before, effect.After} {
			if c.Labels[string(at)+" "+string(l)] == 0 {
				out = append(out, "label "+string(at)+" "+string(l))
			}
		}
	}
	for _, t := range fleet.Transitions() {
		if c.Rows[row(t)] == 0 {
			out = append(out, row(t))
		}
	}
	return out
}

// Unreached are labels and transitions that no run comes to, each with why; the
// machines and the tests of their packages have them.
func Unreached() map[string]string {
	out := map[string]string{}
	both := func(l effect.Label, why string) {
		out["label before "+string(l)], out["label after "+string(l)] = why, why
	}
	both(coordinator.LabelPrune, "the history has room for more events and requests than a run makes")
	both(coordinator.LabelGoals, "the goals of so small a fleet fit into the transaction that commits them")
	both(apply.LabelAOF, "no run begins with a snapshot and no append-only file")
	return out
}

// Kinds are all kinds of events.
func Kinds() []Kind {
	all := slices.Concat(drawn, atLabels, asked, []Kind{Apply, RecoverFleet, KillRestart})
	slices.Sort(all)
	return slices.Compact(all)
}

// String is the table.
func (c *Coverage) String() string {
	var b strings.Builder
	table(&b, "faults", c.Faults)
	table(&b, "labels", c.Labels)
	table(&b, "states, as reported", c.States)
	table(&b, "rows of the table of transitions", c.Rows)
	table(&b, "rules of the fence", c.Rules)
	fmt.Fprintf(&b, "writes that every server had and that were looked for at the end: %d\n", c.Safe)
	return b.String()
}

func table[K ~string](b *strings.Builder, title string, counts map[K]int) {
	fmt.Fprintln(b, title)
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "  %-52s %d\n", k, counts[k])
	}
}
