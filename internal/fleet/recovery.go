package fleet

// Recovery is what an agent keeps on its disk, offered to a Consul that has lost
// its records (hazard K5), so that an operator can have them rebuilt. The agent
// writes it only while Consul says that there is no control record.
type Recovery struct {
	Format int    `json:"format"`
	Node   string `json:"node"`
	// Agent, FleetID and Epoch are those of the agent's disk: who it is, whose it
	// is, and the highest goal epoch that it accepted.
	Agent   string `json:"agent"`
	FleetID string `json:"fleet_id"`
	Epoch   uint64 `json:"epoch"`
	// Goal is the last goal that it accepted.
	Goal Goal `json:"goal"`
	// Secrets are the passwords of the goal's groups as they were in Consul: sealed
	// with the fleet's key (promise secrets-stay-secret). A group whose secret the
	// agent lost is not among them.
	Secrets []Secret `json:"secrets,omitempty"`
}
