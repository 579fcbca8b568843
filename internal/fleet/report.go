package fleet

import "time"

// Report is what one agent saw: facts only. It stays under 4 KiB and is written
// when something in it changes, or as a sign of life every 90 s.
type Report struct {
	Format int    `json:"format"`
	Node   string `json:"node"`
	// Agent is the id of the agent's state folder's owner, made at first start;
	// Boot is made anew at each start of the agent. Two agents under one name
	// are found out by them (hazard M4).
	Agent     string `json:"agent"`
	Boot      string `json:"boot"`
	MachineID string `json:"machine_id,omitempty"`
	Address   string `json:"address"`
	Hostname  string `json:"hostname,omitempty"`
	// At is the node's wall clock when the report was made.
	At time.Time `json:"at"`
	// FleetID is the identity on the node's disk; empty before the first goal.
	FleetID string `json:"fleet_id,omitempty"`
	// Epoch is the highest goal epoch that the node ever accepted.
	Epoch uint64 `json:"epoch"`
	// Problem says why the node does not follow its goal; empty when it does.
	Problem string `json:"problem,omitempty"`
	Zone    string `json:"zone,omitempty"`
	// Labels are those of the agent's own file.
	Labels map[string]string `json:"labels,omitempty"`
	// Priority breaks ties in the election: lower first, as in Redis.
	Priority  int              `json:"priority,omitempty"`
	Engines   []EngineReport   `json:"engines,omitempty"`
	Instances []InstanceReport `json:"instances,omitempty"`
	// Foreign are servers and sentinels of the distribution's units, for `redfleet
	// adopt`; those that were adopted are in Instances.
	Foreign []Foreign `json:"foreign,omitempty"`
}

// EngineReport is one engine installed on a node.
type EngineReport struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Problem string `json:"problem,omitempty"`
}

// InstanceReport is what the agent saw of one instance, assigned or found on
// its disk.
type InstanceReport struct {
	ID      InstanceID `json:"id"`
	Group   string     `json:"group"`
	GroupID string     `json:"group_id,omitempty"`
	Kind    Kind       `json:"kind"`
	Addr    Addr       `json:"addr"`
	State   State      `json:"state"`
	// Reason says why the state is not the assigned one.
	Reason string     `json:"reason,omitempty"`
	Unit   UnitStatus `json:"unit"`
	// Under is the unit that runs an adopted instance until it has moved; Moved,
	// that it runs as redfleet's since.
	Under         string          `json:"under,omitempty"`
	Moved         bool            `json:"moved,omitempty"`
	SecretVersion int             `json:"secret_version,omitempty"`
	Dataset       *Dataset        `json:"dataset,omitempty"`
	Redis         *RedisReport    `json:"redis,omitempty"`
	Sentinel      *SentinelReport `json:"sentinel,omitempty"`
	// Retired: its node left the group, and its unit is stopped and will not be
	// started by anything but a later goal.
	Retired bool `json:"retired,omitempty"`
}

// Dataset is the data of a redis instance, running or as files.
type Dataset struct {
	// Present: there is data: a key in memory, or a file that holds some.
	Present bool `json:"present"`
	// ReplID is the replication id, 40 hex digits; empty when it cannot be read.
	ReplID string `json:"replid,omitempty"`
	// Offset is the replication offset at which the data stands; 0 if unknown.
	Offset int64 `json:"offset,omitempty"`
	// Newest is the time of the newest data file.
	Newest time.Time `json:"newest,omitzero"`
}

// Role is the first word of a ROLE reply.
type Role string

// The roles that ROLE can answer.
const (
	RoleMaster  Role = "master"
	RoleReplica Role = "replica"
)

// RedisReport is a running redis-server as its agent sees it.
type RedisReport struct {
	Version string `json:"version"`
	Role    Role   `json:"role"`
	ReplID  string `json:"replid"`
	// Master is what a replica follows.
	Master Addr `json:"master,omitzero"`
	// Link is "up" when a replica's link to its master is connected and synced,
	// else "down"; empty on a master.
	Link string `json:"link,omitempty"`
	// Replicas are the replicas that a master sees online.
	Replicas []Addr `json:"replicas,omitempty"`
	// Behind is, on a master, how many bytes each replica lags: rounded to a
	// power of two and left out below 64 KiB, so that a report does not change
	// with each write.
	Behind map[string]int64 `json:"behind,omitempty"`
	// ReplicaPriority as CONFIG GET gives it.
	ReplicaPriority int `json:"replica_priority"`
	// ReadOnly is replica-read-only.
	ReadOnly bool `json:"read_only"`
	// Loading: the dataset is being loaded.
	Loading bool `json:"loading,omitempty"`
	// MinReplicas is how many good replicas a master wants before it takes a write
	// (min-replicas-to-write), GoodReplicas how many it has; both 0 where it takes
	// writes alone.
	MinReplicas  int `json:"min_replicas,omitempty"`
	GoodReplicas int `json:"good_replicas,omitempty"`
	// AOFError: the last append to the AOF failed; SaveError: the last background
	// save did. While that lasts a master refuses writes (MISCONF) and no server
	// ends on SIGTERM (hazard D2).
	AOFError  bool `json:"aof_error,omitempty"`
	SaveError bool `json:"save_error,omitempty"`
	// RewriteError is the reply of the last CONFIG REWRITE when it was not OK (S15).
	RewriteError string `json:"rewrite_error,omitempty"`
	// PasswordOK and MasterAuthOK: requirepass and masterauth are the group's.
	PasswordOK   bool `json:"password_ok"`
	MasterAuthOK bool `json:"masterauth_ok"`
	// Peers are the authenticated probes with this node's own masterauth.
	Peers []PeerProbe `json:"peers,omitempty"`
	// ProbeSeen is the value of ProbeKey that this instance shows; WriteRefused
	// that a write to this replica was refused. Only while forming.
	ProbeSeen    string `json:"probe_seen,omitempty"`
	WriteRefused bool   `json:"write_refused,omitempty"`
	// Drift are owned directives whose live value is not the rendered one.
	Drift []string `json:"drift,omitempty"`
}

// PeerProbe is an AUTH and PING from one node to one peer.
type PeerProbe struct {
	Addr  Addr   `json:"addr"`
	Error string `json:"error,omitempty"`
}

// SentinelReport is a running sentinel's own view.
type SentinelReport struct {
	Version string `json:"version"`
	MyID    string `json:"myid"`
	// Monitored are the master names that the sentinel watches.
	Monitored []string `json:"monitored,omitempty"`
	// Master is the address that SENTINEL GET-MASTER-ADDR-BY-NAME gives.
	Master Addr `json:"master,omitzero"`
	// ConfigEpoch orders the sentinels' views: the higher one is newer.
	ConfigEpoch uint64 `json:"config_epoch"`
	// MasterFlags is the "flags" field of SENTINEL MASTER.
	MasterFlags string `json:"master_flags,omitempty"`
	Quorum      int    `json:"quorum,omitempty"`
	// Replicas and Peers are the lists that the sentinel keeps.
	Replicas []SeenInstance `json:"replicas,omitempty"`
	Peers    []SeenInstance `json:"peers,omitempty"`
	// CKQuorum is the error of SENTINEL CKQUORUM; empty when it said OK.
	CKQuorum string `json:"ckquorum,omitempty"`
	// Authorised: usable sentinels, this one among them, at the last look.
	Usable int `json:"usable"`
	// PasswordOK: the sentinel asks for the group's password.
	PasswordOK bool `json:"password_ok"`
	Tilt       bool `json:"tilt,omitempty"`
	// Forgot is the last token with which it was told to forget.
	Forgot string `json:"forgot,omitempty"`
}

// SeenInstance is one replica or peer in a sentinel's list.
type SeenInstance struct {
	Addr Addr   `json:"addr"`
	ID   string `json:"id,omitempty"`
	// Flags as the sentinel writes them: "slave,s_down,disconnected" …
	Flags string `json:"flags"`
	// Reached: it has answered a PING since this sentinel started (S21).
	Reached bool `json:"reached"`
	// Promotable: a replica that the sentinel could choose (S6).
	Promotable bool `json:"promotable,omitempty"`
	// SaysMaster: an entry among the replicas that says it is a master (S14).
	SaysMaster bool `json:"says_master,omitempty"`
	// Priority is a replica's slave-priority.
	Priority int `json:"priority,omitempty"`
}

// Instance finds the report of one instance.
func (r *Report) Instance(id InstanceID) *InstanceReport {
	for i := range r.Instances {
		if r.Instances[i].ID == id {
			return &r.Instances[i]
		}
	}
	return nil
}
