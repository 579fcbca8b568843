package fleet

import "time"

// GroupState is the verdict on a group.
type GroupState string

// The verdicts, in the order of a bring-up; degraded and down come after it.
const (
	GroupForming   GroupState = "forming"
	GroupElecting  GroupState = "electing"
	GroupStarting  GroupState = "starting"
	GroupVerifying GroupState = "verifying"
	GroupServing   GroupState = "serving"
	GroupDegraded  GroupState = "degraded"
	GroupDown      GroupState = "down"
)

// Assessment is the verdict on one group. It is computed from the records and
// never stored; status, verify, page and coordinator read the same one.
//
// The JSON of all but Checks is the documented output of `status -o json`.
type Assessment struct {
	Name               string           `json:"name"`
	Topology           Topology         `json:"topology"`
	State              GroupState       `json:"state"`
	Reason             string           `json:"reason"`
	Master             *MasterStatus    `json:"master"`
	Replicas           []ReplicaStatus  `json:"replicas"`
	Sentinels          []SentinelStatus `json:"sentinels"`
	Quorum             *QuorumStatus    `json:"quorum"`
	CredentialsVersion int              `json:"credentials_version"`
	// Adopted says of a group that was built by hand how far it has moved; nil for
	// any other.
	Adopted *AdoptedStatus `json:"adopted,omitempty"`
	Checks  []Check        `json:"-"`
}

// AdoptedStatus is how far an adopted group has moved to redfleet's own units.
type AdoptedStatus struct {
	Moved int `json:"moved"`
	Of    int `json:"of"`
	// Waiting are those that move at their next restart.
	Waiting []AdoptedWaiting `json:"waiting"`
}

// AdoptedWaiting is an instance that runs under the unit that it was adopted from.
type AdoptedWaiting struct {
	Node string     `json:"node"`
	ID   InstanceID `json:"id"`
	Unit string     `json:"unit"`
}

// MasterStatus is the master that ROLE and the sentinels agree on.
type MasterStatus struct {
	Node string `json:"node"`
	Addr Addr   `json:"addr"`
}

// ReplicaStatus is one replica; Link is "up" or "down".
type ReplicaStatus struct {
	Node     string `json:"node"`
	Addr     Addr   `json:"addr"`
	Link     string `json:"link"`
	LagBytes int64  `json:"lag_bytes"`
}

// SentinelStatus is one sentinel; OK when it runs and its peers reach it.
type SentinelStatus struct {
	Node string `json:"node"`
	Addr Addr   `json:"addr"`
	OK   bool   `json:"ok"`
}

// QuorumStatus: Required is the spec's quorum, Majority what a failover must
// be authorised by, Reachable how many sentinels run and reach each other.
type QuorumStatus struct {
	Required  int  `json:"required"`
	Reachable int  `json:"reachable"`
	Majority  int  `json:"majority"`
	OK        bool `json:"ok"`
}

// Check is one named test of `redfleet verify`.
type Check struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	OK    bool   `json:"ok"`
	Seen  string `json:"seen"`
	Want  string `json:"want"`
	// AgeS is the age in seconds of the oldest report that the check rests on.
	AgeS float64 `json:"age_s"`
}

// World is all that an assessment may look at: the records of one fleet as
// read at Now.
type World struct {
	Now     time.Time
	Spec    *SpecRecord
	Control *Control
	// Highest is the highest epoch that the reader ever saw committed; 0 where it does not
	// know. It is above Control's after Consul was restored from an older snapshot.
	Highest uint64
	Groups  map[string]Group
	Goals   map[string]Goal
	Reports map[string]ReportRecord
	// Requests are the operators' requests, by id.
	Requests map[string]Request
	// Services are the fleet's entries in Consul's catalog; nil when not read.
	Services []ServiceEntry
	// Problems says, by key, why a record other than a report could not be
	// read. Such a record is in none of the fields above.
	Problems map[string]string
}

// ReportRecord is a report with what Consul knows about it.
type ReportRecord struct {
	Report Report
	// Alive: the agent's session still holds the record.
	Alive bool
	// Index is Consul's index of the record, which orders reports whatever the
	// nodes' clocks say; 0 when it was not read from Consul.
	Index uint64
	// Problem is set when the record could not be read; Report is then empty.
	Problem string
}

// ServiceEntry is one registered instance of a service.
type ServiceEntry struct {
	Service string
	ID      string
	Addr    Addr
	Tags    []string
	// Passing: every check of the entry passes.
	Passing bool
}
