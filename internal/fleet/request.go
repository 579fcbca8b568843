package fleet

import "time"

// RequestKind names an operator's verb.
type RequestKind string

// The kinds of request.
const (
	// RequestReplace takes a node out of every group that it is in and puts
	// another one, a new machine under the same name, or nobody in its place.
	RequestReplace RequestKind = "replace-node"
)

// RequestPhase is how far a request has come.
type RequestPhase string

// The phases of a request. Each one is left only when what it is for is seen to
// be true, so that a coordinator that dies in one leaves it to the next (promise
// resumable).
const (
	// RequestMade: the operator wrote it, and nothing was done yet.
	RequestMade RequestPhase = "made"
	// RequestLeaving: the group records name the new members, and the goals
	// follow them. It lasts until what the node ran is seen to be down.
	RequestLeaving RequestPhase = "leaving"
	// RequestForgetting: the sentinels forget who left, one after the other
	// (hazard S5).
	RequestForgetting RequestPhase = "forgetting"
	// RequestSettling: until every group that it touched is verified.
	RequestSettling RequestPhase = "settling"
	// RequestDone: nothing is left to do.
	RequestDone RequestPhase = "done"
)

// Request is an operator's verb. The operator makes the record; the lease holder
// alone changes it from then on, so that a closed laptop loses nothing.
type Request struct {
	Format int         `json:"format"`
	ID     string      `json:"id"`
	Kind   RequestKind `json:"kind"`
	By     string      `json:"by,omitempty"`
	At     time.Time   `json:"at"`
	// Node is the node that the request is about, With the one that takes its
	// place: empty for nobody, and Node itself for a new machine under its name.
	Node string `json:"node"`
	With string `json:"with,omitempty"`
	// Groups are the groups that it touches.
	Groups []string     `json:"groups,omitempty"`
	Phase  RequestPhase `json:"phase"`
	// Since is when the phase began, by the coordinator's clock.
	Since time.Time `json:"since,omitzero"`
	// Waits says what the phase waits for; empty when for nothing.
	Waits string `json:"waits,omitempty"`
	// Outcome says, at the end, what was done or why nothing was.
	Outcome string `json:"outcome,omitempty"`
	// Refused: the request was ended without being carried out.
	Refused bool `json:"refused,omitempty"`
}

// Membership is who makes up a group since it was changed. It stands in the
// group's record; a group that was never changed has none and is as it was made.
type Membership struct {
	// Change counts the changes, from 1.
	Change int `json:"change"`
	// Request is the request that made the last change.
	Request   string   `json:"request"`
	Servers   []string `json:"servers"`
	Sentinels []string `json:"sentinels,omitempty"`
	Quorum    int      `json:"quorum,omitempty"`
	// Retired are the nodes that left: what they ran of the group is to stay down
	// should they come back. Their files are kept (promise data-wins).
	Retired []string `json:"retired,omitempty"`
	// Rebuilt: the record was made anew from what the agents keep, so that more nodes
	// may have left than Retired names.
	Rebuilt bool `json:"rebuilt,omitempty"`
	// Forget is the one sentinel that was asked last to forget who left.
	Forget *Forget `json:"forget,omitempty"`
	// Forgets counts the tokens, so that none is used twice.
	Forgets int `json:"forgets,omitempty"`
}

// Forget asks one sentinel to forget, by SENTINEL RESET, whom it knows of its
// group, and to learn anew. A token is carried out once at most (hazard S5).
type Forget struct {
	Node  string `json:"node"`
	Token string `json:"token"`
}
