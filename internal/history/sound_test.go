package history

import (
	"slices"
	"time"
)

const ms = time.Millisecond

// sound is a history with one fault, a crash of the master n1 at 10 s that n2 takes
// over at 12 s, in which nothing is wrong: three nodes, a plain and a waiting
// client that write every 100 ms, for 30 s.
func sound() *History {
	h := &History{Title: "a sound one", Length: 30 * time.Second, Nodes: []string{"n1", "n2", "n3"}}
	h.Faults = []Fault{{Number: 1, Kind: "kill", Target: "redis of n1", Start: 10 * time.Second, Healed: 10500 * ms, Whole: 15 * time.Second,
		Touches: []Touch{{Node: "n1", Unit: "redis"}},
		Claims:  []Claim{{Group: "main", Gap: 5 * time.Second, Isolated: Unclaimed}}}}
	g := Group{Name: "main", Durability: "fast", Writers: []Writer{{Name: "plain"}, {Name: "wait", Wait: 2}}}
	for _, w := range g.Writers {
		for i := range 299 {
			g.Writes = append(g.Writes, soundWrite(w, i))
		}
		for at := 50 * ms; at < 29*time.Second; at += 200 * ms {
			if at < 10*time.Second || at > 12*time.Second {
				g.Reads = append(g.Reads, soundRead(g, w, at))
			}
		}
		for _, node := range h.Nodes {
			g.Kept = append(g.Kept, soundKept(g, node, w, 5*time.Second), soundKept(g, node, w, 25*time.Second))
		}
	}
	g.Probes = []Probe{
		{Node: "n1", From: 0, To: 10 * time.Second, Tries: 100},
		{Node: "n1", Class: Refused, From: 10 * time.Second, To: 13 * time.Second, Tries: 10},
		{Node: "n1", Class: ReadOnly, From: 13 * time.Second, To: 30 * time.Second, Tries: 100},
		{Node: "n2", Class: ReadOnly, From: 0, To: 12 * time.Second, Tries: 100},
		{Node: "n2", From: 12 * time.Second, To: 30 * time.Second, Tries: 100},
		{Node: "n3", Class: ReadOnly, From: 0, To: 30 * time.Second, Tries: 100},
	}
	g.Roles = []Role{{Node: "n1", Role: RoleMaster, To: 10 * time.Second}, {Node: "n1", Role: RoleSilent, From: 10 * time.Second, To: 13 * time.Second},
		{Node: "n1", Role: RoleReplica, From: 13 * time.Second, To: 30 * time.Second}, {Node: "n2", Role: RoleReplica, To: 12 * time.Second},
		{Node: "n2", Role: RoleMaster, From: 12 * time.Second, To: 30 * time.Second}, {Node: "n3", Role: RoleReplica, To: 30 * time.Second}}
	h.Groups = []Group{g}
	for _, node := range h.Nodes {
		for _, at := range []time.Duration{time.Second, 9 * time.Second, 16 * time.Second, 29 * time.Second} {
			run := "first"
			if node == "n1" && at > 10*time.Second {
				run = "second"
			}
			h.Units = append(h.Units, Unit{Node: node, Unit: "redis", Time: at, Run: run}, Unit{Node: node, Unit: "sentinel", Time: at, Run: "first"})
		}
	}
	return h
}

func soundWrite(w Writer, i int) Write {
	write := Write{Writer: w.Name, Seq: i, Start: time.Duration(i) * 100 * ms, Node: "n1", Waited: w.Wait}
	write.End = write.Start + ms
	switch {
	case write.Start >= 12*time.Second:
		write.Node = "n2"
	case write.Start >= 10*time.Second:
		write.Class, write.Waited = Refused, 0
	}
	return write
}

// soundRead sees all that was acknowledged before it.
func soundRead(g Group, w Writer, at time.Duration) Read {
	r := Read{Node: "n2", Master: true, Writer: w.Name, Start: at, End: at + ms, Seq: -1}
	for _, write := range g.Writes {
		if write.Writer == w.Name && write.Acknowledged() && write.End < at {
			r.Seq = write.Seq
		}
	}
	return r
}

// soundKept has all that was acknowledged before it.
func soundKept(g Group, node string, w Writer, at time.Duration) Kept {
	var numbers []int
	for _, write := range g.Writes {
		if write.Writer == w.Name && write.Acknowledged() && write.End <= at {
			numbers = append(numbers, write.Seq)
		}
	}
	k := Kept{Node: node, Writer: w.Name, Time: at}
	k.Spans, _ = SpansOf(numbers)
	return k
}

// without takes numbers away from what a node kept of a writer in the looks after a
// time.
func (h *History) without(node, writer string, after time.Duration, gone ...int) {
	for i := range h.Groups[0].Kept {
		k := &h.Groups[0].Kept[i]
		if k.Writer != writer || k.Time < after || (node != "" && k.Node != node) {
			continue
		}
		var numbers []int
		for _, s := range k.Spans {
			for n := s[0]; n <= s[1]; n++ {
				numbers = append(numbers, n)
			}
		}
		k.Spans, _ = SpansOf(drop(numbers, gone))
	}
}

func drop(numbers, gone []int) (left []int) {
	for _, n := range numbers {
		if !slices.Contains(gone, n) {
			left = append(left, n)
		}
	}
	return left
}
