package fleet

// State is where an instance is, or should be. Master and replica are no
// states: they are what ROLE says.
type State string

// The states of an instance. Each reported state is a guarantee.
const (
	// Absent: nothing of the instance is on the node.
	Absent State = "absent"
	// Prepared: files and unit are in place, the process was never started.
	Prepared State = "prepared"
	// Running: the process is up and answers with the group's password.
	Running State = "running"
	// Held: down on purpose: fenced, drained, or waiting for a failover.
	Held State = "held"
)

// States are all states in the order in which an instance meets them.
func States() []State { return []State{Absent, Prepared, Running, Held} }

// Goal is what the coordinator asks of one node. The lease holder alone writes
// it; it counts once the control record's Committed has reached its Epoch.
type Goal struct {
	Format    int            `json:"format"`
	FleetID   string         `json:"fleet_id"`
	Node      string         `json:"node"`
	Epoch     uint64         `json:"epoch"`
	Instances []InstanceGoal `json:"instances,omitempty"`
}

// InstanceGoal is what is asked of one instance.
type InstanceGoal struct {
	ID       InstanceID `json:"id"`
	Group    string     `json:"group"`
	GroupID  string     `json:"group_id"`
	Kind     Kind       `json:"kind"`
	Topology Topology   `json:"topology"`
	Engine   string     `json:"engine"`
	Service  string     `json:"service"`
	Assigned State      `json:"assigned"`
	// Addr is what the instance announces.
	Addr Addr `json:"addr"`
	// SecretVersion is the version of the group's secret to use.
	SecretVersion int `json:"secret_version"`
	// Servers are all redis instances of the group, this one among them.
	Servers []Member `json:"servers"`
	// Sentinels are all sentinels of the group with the id each one is to use.
	Sentinels []Member `json:"sentinels,omitempty"`
	// Monitor is how the sentinels watch the group; nil without sentinels.
	Monitor *Monitor `json:"monitor,omitempty"`
	// Config is what the spec sets beside the directives that redfleet owns.
	Config Directives `json:"config,omitempty"`
	// Seed is there until the group serves and never again: after bootstrap a
	// goal states no role (promise sentinel-owns-master).
	Seed *Seed `json:"seed,omitempty"`
	// Change is the number of the group's last change of members; 0 for a group
	// that is as it was made. The quorum is set on a running sentinel once for each.
	Change int `json:"change,omitempty"`
	// Forget is the token with which this sentinel is to forget, once, whom it
	// knows of its group (hazard S5).
	Forget string `json:"forget,omitempty"`
	// Adopted is where an instance that was built by hand runs until its next
	// restart, with which it moves to redfleet's unit and folder.
	Adopted *Origin `json:"adopted,omitempty"`
}

// Member is one instance as its peers know it.
type Member struct {
	Node string `json:"node"`
	Addr Addr   `json:"addr"`
	// ID is a sentinel's myid, 40 hex digits; empty for a redis instance.
	ID string `json:"id,omitempty"`
}

// Monitor is the sentinel part of a group, resolved.
type Monitor struct {
	MasterName      string   `json:"master_name"`
	Quorum          int      `json:"quorum"`
	DownAfter       Duration `json:"down_after"`
	FailoverTimeout Duration `json:"failover_timeout"`
	ParallelSyncs   int      `json:"parallel_syncs"`
	Announce        string   `json:"announce"`
	// OnCrash is set where it is not OnCrashFailover.
	OnCrash string `json:"on_crash,omitempty"`
	// Open: the sentinels ask for no password, see SentinelSpec.
	Open bool `json:"open,omitempty"`
}

// SentinelPassword is what to show a sentinel of the group: the group's password,
// or none where the sentinels ask for none.
func (g *InstanceGoal) SentinelPassword(group string) string {
	if g.Monitor != nil && g.Monitor.Open {
		return ""
	}
	return group
}

// Seed is what only a first start needs.
type Seed struct {
	// Master is the elected initial master.
	Master Addr `json:"master"`
	// Fresh: no node of the group held data at the election, so an empty replica
	// may be promotable from its first moment (hazard S19).
	Fresh bool `json:"fresh,omitempty"`
	// Written: a server of the fresh group has shown a key of others since, so that
	// one which is empty may have lost some (no-empty-master, hazard S19).
	Written bool `json:"written,omitempty"`
	// Probe is the value that the master writes to ProbeKey and each replica
	// must show before the group serves.
	Probe string `json:"probe"`
}

// ProbeKey is the one key of redfleet's own in a dataset, there only while a
// group forms. The braces keep it in one slot, should the group be a cluster.
func ProbeKey(group string) string { return "redfleet:{" + group + "}:probe" }

// Member finds the entry of a node.
func member(list []Member, node string) (Member, bool) {
	for _, m := range list {
		if m.Node == node {
			return m, true
		}
	}
	return Member{}, false
}

// Server finds the group's redis instance on a node.
func (g *InstanceGoal) Server(node string) (Member, bool) { return member(g.Servers, node) }

// SentinelOn finds the group's sentinel on a node.
func (g *InstanceGoal) SentinelOn(node string) (Member, bool) { return member(g.Sentinels, node) }

// Control is the fleet's one small record that every agent watches: who the
// fleet is and which goals count.
type Control struct {
	Format int `json:"format"`
	// FleetID is the fleet's identity (hazard K8), made with the first plan.
	FleetID string `json:"fleet_id"`
	// Committed is the epoch of the last complete plan: a goal with a higher
	// epoch does not count yet.
	Committed uint64 `json:"committed"`
	// Recipient is the public half of the fleet's key, so that a machine with
	// another key is found out before it joins.
	Recipient string `json:"recipient,omitempty"`
}
