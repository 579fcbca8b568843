package fleet

import "slices"

// Foreign is a server or a sentinel that runs on a node under a unit that
// redfleet did not bring, such as the distribution's redis-server.service. It is
// in its node's report for `redfleet adopt`, which takes over what such units run.
// No password is in it (promise secrets-stay-secret): what stands for one is a
// digest under the fleet's key, good for nothing but to tell equal from different.
type Foreign struct {
	Unit string `json:"unit"`
	Kind Kind   `json:"kind"`
	// Addr is the node's address with the port on which it listens.
	Addr    Addr   `json:"addr"`
	Engine  string `json:"engine,omitempty"`
	Version string `json:"version,omitempty"`
	// Conf is its configuration file, Dir its data folder.
	Conf string `json:"conf,omitempty"`
	Dir  string `json:"dir,omitempty"`
	// Refused says what keeps redfleet from running it, a clause for each.
	Refused []string `json:"refused,omitempty"`
	// Password stands for its requirepass; empty: it asks for none.
	Password string           `json:"password,omitempty"`
	Redis    *ForeignRedis    `json:"redis,omitempty"`
	Sentinel *ForeignSentinel `json:"sentinel,omitempty"`
}

// ForeignRedis is what a foreign server says of itself.
type ForeignRedis struct {
	Role   Role   `json:"role"`
	ReplID string `json:"replid"`
	// Master and LinkUp are a replica's.
	Master Addr `json:"master,omitzero"`
	LinkUp bool `json:"link_up,omitempty"`
	// MasterAuth stands for its masterauth; empty: it has none.
	MasterAuth string `json:"masterauth,omitempty"`
	// Config are the settings by which it differs from one that redfleet makes.
	Config Directives `json:"config,omitempty"`
}

// ForeignSentinel is what a foreign sentinel says of itself.
type ForeignSentinel struct {
	MyID    string          `json:"myid"`
	Masters []ForeignMaster `json:"masters,omitempty"`
}

// ForeignMaster is one master that a foreign sentinel watches.
type ForeignMaster struct {
	Name            string   `json:"name"`
	Addr            Addr     `json:"addr"`
	Quorum          int      `json:"quorum"`
	DownAfter       Duration `json:"down_after"`
	FailoverTimeout Duration `json:"failover_timeout"`
	ParallelSyncs   int      `json:"parallel_syncs"`
	// AuthPass stands for what it shows the servers; empty: nothing.
	AuthPass string `json:"authpass,omitempty"`
	// Flags are the sentinel's own of the master: "master", "s_down,master" …
	Flags string `json:"flags,omitempty"`
	// Replicas and Peers are those that the sentinel lists, whatever their state.
	Replicas []Addr `json:"replicas,omitempty"`
	Peers    []Addr `json:"peers,omitempty"`
}

// Adoption says of a group that it was built by hand and is taken over as it
// runs. The operator writes it with the spec, by `redfleet adopt`; the coordinator
// copies it into the group's record.
type Adoption struct {
	Instances []AdoptedInstance `json:"instances"`
}

// AdoptedInstance is one instance of an adopted group.
type AdoptedInstance struct {
	Node string `json:"node"`
	Kind Kind   `json:"kind"`
	Addr Addr   `json:"addr"`
	// MyID is a sentinel's own id, which it keeps (promise sentinel-state-kept).
	MyID string `json:"myid,omitempty"`
	From Origin `json:"from"`
}

// Origin is where an adopted instance runs until its next restart: under which
// unit, from which configuration file, with its data in which folder.
type Origin struct {
	Unit string `json:"unit"`
	Conf string `json:"conf"`
	Dir  string `json:"dir"`
}

// Instance finds what was adopted on a node; nil where nothing of that kind was.
func (a *Adoption) Instance(node string, kind Kind) *AdoptedInstance {
	if a == nil {
		return nil
	}
	i := slices.IndexFunc(a.Instances, func(x AdoptedInstance) bool { return x.Node == node && x.Kind == kind })
	if i < 0 {
		return nil
	}
	return &a.Instances[i]
}
