package history

import "time"

// Fault is one thing that was done to the machines. Its window begins with it and
// ends where the next one begins.
type Fault struct {
	Number int    `json:"number"`
	Kind   string `json:"kind"`
	Target string `json:"target"`
	// Start is when it began, Healed when what it did was taken back.
	Start time.Duration `json:"start_ns"`
	// Made is when what makes it had come to its end, so that it was there for certain;
	// 0 where that is not known, and Start stands for it.
	Made   time.Duration `json:"made_ns,omitempty"`
	Healed time.Duration `json:"healed_ns"`
	// Whole is when everything was found in order again; 0 where it never was, and
	// Why then says what was found.
	Whole time.Duration `json:"whole_ns,omitempty"`
	Why   string        `json:"why,omitempty"`
	// Isolated is a node that its peers cannot reach from Start to Healed, while
	// clients can.
	Isolated string `json:"isolated,omitempty"`
	// Touches are the units that the fault itself ends, or may: their restart was
	// asked for.
	Touches []Touch `json:"touches,omitempty"`
	// Claims are what must hold in its window, a claim for each group.
	Claims []Claim `json:"claims,omitempty"`
	// Broken is what the one who made the fault found not to hold, in words.
	Broken []string `json:"broken,omitempty"`
	// Seen is what the one who made it measured besides, in words.
	Seen []string `json:"seen,omitempty"`
}

// Touch names units: all of the node where Unit is empty.
type Touch struct {
	Node string `json:"node"`
	Unit string `json:"unit,omitempty"`
}

// Unclaimed stands for a bound that nobody states.
const Unclaimed = -1

// Claim is what is promised to one group in a fault's window. Each bound may be
// Unclaimed.
type Claim struct {
	Group string `json:"group"`
	// Lost is how many acknowledged writes may be lost; LostWaited how many of those
	// that every replica had by WAIT's answer.
	Lost       int `json:"lost"`
	LostWaited int `json:"lost_waited"`
	// Dual is for how long two servers may take writes at once.
	Dual time.Duration `json:"dual_ns"`
	// Isolated is how long after the fault was made the isolated node's server may
	// still take writes.
	Isolated time.Duration `json:"isolated_ns"`
	// Gap is for how long clients may be without a master.
	Gap time.Duration `json:"gap_ns"`
	// Reason says what bounds it, for the reader.
	Reason string `json:"reason,omitempty"`
}
