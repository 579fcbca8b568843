package fleet

// Unit is what a supervisor needs to run one instance.
type Unit struct {
	// Name is the instance's id.
	Name InstanceID
	// Argv is the absolute path of the program and its arguments. A password
	// must never be in it (promise secrets-stay-secret).
	Argv []string
	// Dir is the working directory.
	Dir string
	// Log is the file that takes stdout and stderr; empty for the journal, where
	// there is one.
	Log string
}

// UnitState is whether a unit's process is there.
type UnitState string

// The states of a unit, by systemd's names.
const (
	UnitInactive UnitState = "inactive"
	UnitActive   UnitState = "active"
	UnitFailed   UnitState = "failed"
	// UnitActivating: there is no process yet, and a start is under way: it is
	// queued, or the boot fence still holds it.
	UnitActivating UnitState = "activating"
)

// UnitStatus is what a supervisor knows of a unit.
type UnitStatus struct {
	State UnitState `json:"state"`
	PID   int       `json:"pid,omitempty"`
	// Invocation changes with each start of the process.
	Invocation string `json:"invocation,omitempty"`
	// Exit says how the last process ended ("exit status 1", "signal: killed");
	// empty while active or when not known.
	Exit string `json:"exit,omitempty"`
	// Stopping: the supervisor has told the process to end, and it is still there.
	// A Redis that cannot write its data refuses (hazard D2).
	Stopping bool `json:"stopping,omitempty"`
}
