package fleet_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

var update = flag.Bool("update", false, "write docs/transitions.md anew")

const transitionsPage = "../../docs/transitions.md"

// TestTransitionsPage holds the printed table against the real one.
func TestTransitionsPage(t *testing.T) {
	want := transitionsText(fleet.Transitions())
	if *update {
		if err := os.WriteFile(transitionsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(transitionsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/transitions.md is stale; renew it with: go test ./internal/fleet -run TestTransitionsPage -update\n%s", diff)
	}
}

// TestEveryPairHasARowOrAnError: a pair of states that is not in the table is
// an error that names both, and no pair has two rows.
func TestEveryPairHasARowOrAnError(t *testing.T) {
	rows := map[[2]fleet.State]int{}
	for _, row := range fleet.Transitions() {
		rows[[2]fleet.State{row.Current, row.Assigned}]++
	}
	for _, current := range fleet.States() {
		for _, assigned := range fleet.States() {
			row, err := fleet.TransitionFor(current, assigned)
			switch n := rows[[2]fleet.State{current, assigned}]; {
			case n > 1:
				t.Errorf("%s towards %s has %d rows", current, assigned, n)
			case n == 1 && (err != nil || row.Reason == "" || row.Step == ""):
				t.Errorf("%s towards %s: row %+v, error %v", current, assigned, row, err)
			case n == 0 && (err == nil || !strings.Contains(err.Error(), string(current)) || !strings.Contains(err.Error(), string(assigned))):
				t.Errorf("%s towards %s is not in the table, and the error is %v", current, assigned, err)
			}
		}
	}
}

// TestEveryStateComesToRest: a member of a group ends in Running whatever state it
// is in, and what a node that left ran ends in a state that does not run.
func TestEveryStateComesToRest(t *testing.T) {
	for _, state := range fleet.States() {
		row, err := fleet.TransitionFor(state, fleet.Held)
		if err != nil || row.Next == fleet.Running {
			t.Errorf("from %s towards held: row %+v, error %v", state, row, err)
		}
	}
}

// TestEveryStateReachesRunning: following the rows, each state ends in Running,
// and every row leads to a known state.
func TestEveryStateReachesRunning(t *testing.T) {
	for _, state := range fleet.States() {
		at := state
		for range fleet.States() {
			row, err := fleet.TransitionFor(at, fleet.Running)
			if err != nil {
				t.Fatalf("from %s: %v", state, err)
			}
			at = row.Next
		}
		if at != fleet.Running {
			t.Errorf("from %s the rows lead to %s", state, at)
		}
	}
}

func transitionsText(rows []fleet.Transition) string {
	var b strings.Builder
	b.WriteString("# Transitions of an instance\n\n" +
		"Made from `fleet.Transitions()` by `go test ./internal/fleet -run TestTransitionsPage -update`.\n" +
		"The same test fails when this page is stale. How the table is used is told in\n" +
		"[design.md](design.md#transitions).\n\n" +
		"```mermaid\nstateDiagram-v2\n    [*] --> absent\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", r.Current, r.Next, r.Step)
	}
	b.WriteString("    running --> held: the process ends\n```\n\n" +
		"The last arrow is no step of redfleet: a process that ends was stopped, crashed or lost its machine.\n\n" +
		"| current | assigned | step | next | reason |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.Current, r.Assigned, r.Step, r.Next, r.Reason)
	}
	missing := 0
	for _, current := range fleet.States() {
		for _, assigned := range fleet.States() {
			if _, err := fleet.TransitionFor(current, assigned); err != nil {
				missing++
			}
		}
	}
	fmt.Fprintf(&b, "\nThe other %d pairs of states are errors: the instance is left as it is, and the report says so.\n", missing)
	return b.String()
}
