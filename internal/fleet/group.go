package fleet

import "time"

// Phase is how far the bring-up of a group has come.
type Phase string

// The phases that a group record can be in. Forming and electing come before
// the record exists; degraded and down are verdicts, never phases.
const (
	PhaseStarting  Phase = "starting"
	PhaseVerifying Phase = "verifying"
	PhaseServing   Phase = "serving"
)

// Group is the record of one group. Its creation, by one create-only CAS under
// the lease, is the election (promise one-election).
type Group struct {
	Format   int      `json:"format"`
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Topology Topology `json:"topology"`
	Decision Decision `json:"decision"`
	Phase    Phase    `json:"phase"`
	// Since is when the phase began, by the coordinator's clock.
	Since time.Time `json:"since"`
	// CredentialsVersion is the version of the secret that goals name.
	CredentialsVersion int `json:"credentials_version"`
	// Fresh: no node held data at the election.
	Fresh bool `json:"fresh,omitempty"`
	// Written: a server has shown data since, while the fresh group still formed.
	Written bool `json:"written,omitempty"`
	// Probe is the value that proves replication while forming.
	Probe string `json:"probe,omitempty"`
	// WriteProved: a write on the master was seen on each replica and a write
	// on each replica was refused, before the group served.
	WriteProved bool `json:"write_proved,omitempty"`
	// Members is who makes up the group since that was changed.
	Members *Membership `json:"members,omitempty"`
	// Adopted: the group was built by hand and taken over as it ran.
	Adopted *Adoption `json:"adopted,omitempty"`
}

// Decision is the choice of the initial master.
type Decision struct {
	Master Addr   `json:"master"`
	Node   string `json:"node"`
	// Rule is the name of the rule that decided; Reason a sentence for people.
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// Secret is a group's password, sealed with the fleet's key.
type Secret struct {
	Format  int    `json:"format"`
	Group   string `json:"group"`
	GroupID string `json:"group_id"`
	Version int    `json:"version"`
	// Recipient is the public half of the fleet's key that sealed it.
	Recipient string `json:"recipient"`
	// Sealed is an age file in base64.
	Sealed string `json:"sealed"`
}

// Event is one entry of the fleet's bounded history.
type Event struct {
	At    time.Time `json:"at"`
	Who   string    `json:"who"`
	Node  string    `json:"node,omitempty"`
	Group string    `json:"group,omitempty"`
	What  string    `json:"what"`
	Why   string    `json:"why,omitempty"`
}
