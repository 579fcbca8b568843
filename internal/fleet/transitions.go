package fleet

import "fmt"

// StepName is what an agent does to bring an instance one state further.
type StepName string

// The steps of the transition table.
const (
	// StepKeep: nothing to do.
	StepKeep StepName = "keep"
	// StepInstall writes folder, identity and configuration.
	StepInstall StepName = "install"
	// StepStart starts an instance for the first time, as its seed or the
	// sentinels say.
	StepStart StepName = "start"
	// StepReturn starts an instance that ran before, as the fence allows.
	StepReturn StepName = "return"
	// StepRetire stops an instance whose node left the group, and keeps anything
	// from starting it again; its files stay.
	StepRetire StepName = "retire"
)

// Transition is one row of the table: from Current towards Assigned by Step.
type Transition struct {
	Current, Assigned State
	Step              StepName
	Next              State
	Reason            string
}

// Transitions is the whole table. A pair of states that is not in it is an
// error: the agent then does nothing to that instance and says so.
func Transitions() []Transition {
	return []Transition{
		{Absent, Running, StepInstall, Prepared, "nothing of the instance is on this node"},
		{Prepared, Running, StepStart, Running, "files are in place, the process was never started"},
		{Running, Running, StepKeep, Running, "the process runs"},
		{Held, Running, StepReturn, Running, "the process ran before and is down"},
		{Running, Held, StepRetire, Held, "the node left the group"},
		{Held, Held, StepRetire, Held, "the node left the group: nothing may start the process again"},
		{Prepared, Held, StepKeep, Prepared, "the node left the group before the process was ever started"},
		{Absent, Held, StepKeep, Absent, "the node left the group and has nothing of it"},
	}
}

// TransitionFor finds the row for a pair of states.
func TransitionFor(current, assigned State) (Transition, error) {
	for _, t := range Transitions() {
		if t.Current == current && t.Assigned == assigned {
			return t, nil
		}
	}
	return Transition{}, fmt.Errorf("no way leads from state %q to the assigned state %q; the instance is left as it is", current, assigned)
}
