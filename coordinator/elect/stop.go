package elect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The kinds of a StopError, for errors.Is.
var (
	// ErrMissing: a node is not in yet; the election waits for it.
	ErrMissing = errors.New("a node is missing")
	// ErrLineages: two nodes hold data known to be of different origin.
	ErrLineages = errors.New("data of different origin")
	// ErrUnknownLineage: data whose origin cannot be told.
	ErrUnknownLineage = errors.New("data of unknown origin")
	// ErrIdentity: a node belongs to a group that Consul does not know any more
	// (hazards K5, K8).
	ErrIdentity = errors.New("the group exists already")
	// ErrOverride: the operator named a node that cannot be chosen.
	ErrOverride = errors.New("the named initial master cannot be chosen")
)

// StopError is an election that stopped.
type StopError struct {
	// Kind is one of the Err… above.
	Kind error
	// Found is what was seen, Why the reason to stop, Do the way on.
	Found, Why, Do string
	// Nodes are the nodes that it is about, by name.
	Nodes []string
}

// Error is the three parts as one text for the operator.
func (s *StopError) Error() string { return s.Found + ": " + s.Why + "; " + s.Do }

// Unwrap gives the kind.
func (s *StopError) Unwrap() error { return s.Kind }

// refuse looks for all that stops an election whatever data there is. What only
// an operator can mend comes before what ends by waiting.
func (e *election) refuse(override string) error {
	if err := e.checkIdentity(); err != nil {
		return err
	}
	if override != "" && !slices.Contains(e.g.Nodes, override) {
		return &StopError{
			Kind:  ErrOverride,
			Found: fmt.Sprintf("the operator named %s as the initial master of %s", override, e.g.Name),
			Why:   "it is no server of that group",
			Do:    fmt.Sprintf("name one of %s with %s", strings.Join(e.g.Nodes, ", "), command(e.g.Name, "NODE")),
			Nodes: []string{override},
		}
	}
	return e.checkMissing()
}

func (e *election) checkIdentity() error {
	carriers := keep(e.all, func(c Candidate) bool { return len(c.GroupIDs) > 0 })
	if len(carriers) == 0 {
		return nil
	}
	return &StopError{
		Kind: ErrIdentity,
		Found: fmt.Sprintf("%s already carry the identity of group %s (%s), but Consul has no record of it",
			nodeList(carriers), e.g.Name, strings.Join(carriers[0].GroupIDs, ", ")),
		Why: "Consul was emptied or restored from an older state, and a group is never formed anew over one that exists",
		Do: "restore Consul's data; if it is lost for good, stop the group's instances on these nodes and remove " +
			"the file identity from their folders, then their data takes part in a new election",
		Nodes: names(carriers),
	}
}

func (e *election) checkMissing() error {
	var out, nodes []string
	for _, node := range Nodes(e.g) {
		i := slices.IndexFunc(e.all, func(c Candidate) bool { return c.Node == node })
		switch {
		case i < 0:
			out, nodes = append(out, node+" (no agent has reported)"), append(nodes, node)
		case e.all[i].Out != "":
			out, nodes = append(out, node+" ("+e.all[i].Out+")"), append(nodes, node)
		}
	}
	switch {
	case len(e.g.Nodes) == 0:
		out = append(out, "the spec names no node")
	case len(out) == 0:
		return nil
	}
	return &StopError{
		Kind:  ErrMissing,
		Found: fmt.Sprintf("%d of %d nodes of %s are in", len(Nodes(e.g))-len(nodes), len(Nodes(e.g)), e.g.Name),
		Why:   "missing: " + strings.Join(out, ", "),
		Do:    "the group forms when they are in",
		Nodes: nodes,
	}
}

func conflict(group string, a, b Candidate) error {
	return &StopError{
		Kind:  ErrLineages,
		Found: fmt.Sprintf("%s and %s hold data of different origin (%s; %s)", a.Node, b.Node, describe(a), describe(b)),
		Why:   "the one that does not become master would lose its data",
		Do: fmt.Sprintf("say which one counts with %s or %s, or move the other one's data away",
			command(group, a.Node), command(group, b.Node)),
		Nodes: []string{a.Node, b.Node},
	}
}

func unknownLineage(group string, data []Candidate) error {
	return &StopError{
		Kind: ErrUnknownLineage,
		Found: fmt.Sprintf("%s hold data, and nothing tells whether it is of one origin (%s)",
			nodeList(data), describeOthers(data, "")),
		Why:   "those that do not become master would lose their data",
		Do:    fmt.Sprintf("say which one counts with %s", command(group, "NODE")),
		Nodes: names(data),
	}
}

func emptyOverride(group string, chosen Candidate, data []Candidate) error {
	return &StopError{
		Kind:  ErrOverride,
		Found: fmt.Sprintf("the operator named %s as the initial master of %s", chosen.Node, group),
		Why:   fmt.Sprintf("it holds no data and would wipe that of %s", describeOthers(data, chosen.Node)),
		Do: fmt.Sprintf("name a node with data, as in %s, or move the data away where it is not wanted",
			command(group, data[0].Node)),
		Nodes: append([]string{chosen.Node}, names(data)...),
	}
}

// command is what the operator can type.
func command(group, node string) string {
	return fmt.Sprintf("`redfleet apply --initial-master %s=%s`", group, node)
}

// describe is one node's data: its name, replication id and offset.
func describe(c Candidate) string {
	if c.Dataset.ReplID == "" {
		return fmt.Sprintf("%s: replid unknown, newest file %s", c.Node, when(c.Dataset.Newest))
	}
	return fmt.Sprintf("%s: replid %s, offset %d", c.Node, c.Dataset.ReplID, c.Dataset.Offset)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "of unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

func describeOthers(data []Candidate, but string) string {
	var out []string
	for _, c := range data {
		if c.Node != but {
			out = append(out, describe(c))
		}
	}
	return strings.Join(out, "; ")
}

func names(list []Candidate) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Node
	}
	return out
}

func nodeList(list []Candidate) string { return strings.Join(names(list), ", ") }
