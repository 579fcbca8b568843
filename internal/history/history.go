// Package history is what clients of a group saw while faults went on, and what
// follows from it: acknowledged writes that were lost, two servers that took writes
// at once, time without a master, stale reads, refused credentials, restarts.
//
// Everything here is pure. A History is recorded by package history/record (and,
// for units and faults, by who makes the faults), read and written as JSON, judged
// by Check, and drawn by SVG. All times are on one monotonic clock, as the time
// since the recording began.
package history

import "time"

// History is one recording.
type History struct {
	// Title says what was run: the seed, say.
	Title string `json:"title"`
	// Length is how long it took.
	Length time.Duration `json:"length_ns"`
	Nodes  []string      `json:"nodes"`
	Groups []Group       `json:"groups"`
	// Faults in the order of their starts; none overlaps the next.
	Faults []Fault `json:"faults"`
	// Units are looks at processes, in the order of time for each unit.
	Units []Unit `json:"units"`
}

// Group is what was seen of one group.
type Group struct {
	Name string `json:"name"`
	// Durability is the group's, in the words of its spec; for the reader.
	Durability string   `json:"durability,omitempty"`
	Writers    []Writer `json:"writers"`
	// Writes and Reads are in the order of their ends for each writer or reader.
	Writes []Write `json:"writes"`
	Reads  []Read  `json:"reads"`
	// Probes and Roles are in the order of time for each node.
	Probes []Probe `json:"probes"`
	Roles  []Role  `json:"roles"`
	Kept   []Kept  `json:"kept"`
}

// Writer is one client that writes through Sentinel: the numbers 0, 1, 2 … at the
// end of one list, each once and with no retry.
type Writer struct {
	Name string `json:"name"`
	// Wait is how many replicas it asks WAIT for after each write; 0 for a client
	// that does not.
	Wait int `json:"wait,omitempty"`
}

// Class is what became of a call. Empty means that it succeeded.
type Class string

// The classes of errors, by what a client could do about them.
const (
	OK          Class = ""
	Refused     Class = "refused"     // nobody listens
	Timeout     Class = "timeout"     // no answer in time: it may have happened
	Broken      Class = "broken"      // the connection ended under it: it may have happened
	ReadOnly    Class = "readonly"    // the server is a replica
	NoReplicas  Class = "noreplicas"  // min-replicas-to-write is not met
	Loading     Class = "loading"     // the server loads its data
	MasterDown  Class = "masterdown"  // a replica that does not serve stale data
	NotWritable Class = "notwritable" // the server cannot write its disk (MISCONF)
	NoMaster    Class = "nomaster"    // no sentinel named one
	Credentials Class = "credentials" // the password was refused
	Other       Class = "other"
)

// Write is one try to write a number.
type Write struct {
	Writer string        `json:"w"`
	Seq    int           `json:"n"`
	Start  time.Duration `json:"s"`
	End    time.Duration `json:"e"`
	// Node is the one whose server was written to; empty where none was reached.
	Node  string `json:"at,omitempty"`
	Class Class  `json:"err,omitempty"`
	// Waited is how many replicas had it by WAIT's answer; 0 also where WAIT was not
	// asked or failed. The write is acknowledged all the same.
	Waited int `json:"waited,omitempty"`
}

// Acknowledged tells whether the server said that it has the write.
func (w Write) Acknowledged() bool { return w.Class == OK }

// Read is one read of the end of a writer's list.
type Read struct {
	// Node is the one whose server was read. Master is set where the client asked
	// the sentinels for the master: it may not see an old state.
	Node   string        `json:"at,omitempty"`
	Master bool          `json:"master,omitempty"`
	Writer string        `json:"w"`
	Start  time.Duration `json:"s"`
	End    time.Duration `json:"e"`
	Class  Class         `json:"err,omitempty"`
	// Seq is the last number there; -1 for an empty list.
	Seq int `json:"n"`
}

// Probe is a row of tries, one after the other, to write to one server directly,
// whoever is master, that all ended the same way.
type Probe struct {
	Node  string `json:"at"`
	Class Class  `json:"err,omitempty"`
	// From is the start of the first try, To the end of the last one.
	From  time.Duration `json:"s"`
	To    time.Duration `json:"e"`
	Tries int           `json:"tries"`
}

// Accepted tells whether the server took the writes.
func (p Probe) Accepted() bool { return p.Class == OK }

// Role is a row of looks at one server that all had the same answer to ROLE.
type Role struct {
	Node string `json:"at"`
	// Role is "master", "replica", "unlinked" (a replica without a link to its
	// master), "loading", or "silent".
	Role string        `json:"role"`
	From time.Duration `json:"s"`
	To   time.Duration `json:"e"`
}

// Roles that a server was seen in.
const (
	RoleMaster   = "master"
	RoleReplica  = "replica"
	RoleUnlinked = "unlinked"
	RoleLoading  = "loading"
	RoleSilent   = "silent"
)

// Kept is what a server had of one writer's numbers when it was asked, at a moment
// when the group was whole.
type Kept struct {
	Node   string        `json:"at"`
	Writer string        `json:"w"`
	Time   time.Duration `json:"t"`
	// Spans are the numbers, in order.
	Spans []Span `json:"spans"`
	// Twice are numbers that are there more than once.
	Twice []int `json:"twice,omitempty"`
}

// Span is a run of numbers, both ends included.
type Span [2]int

// Unit is a look at one unit of a node.
type Unit struct {
	Node string        `json:"at"`
	Unit string        `json:"unit"`
	Time time.Duration `json:"t"`
	// Run is systemd's id of this run, empty while it does not run.
	Run string `json:"run,omitempty"`
}
