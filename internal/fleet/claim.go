package fleet

import "time"

// Claim says which agent may ask a sentinel for a failover of a group, or has asked
// (hazard S18). It counts while a session holds its key; without one it is what the
// last failover left. The agent of the master that died writes it, and gives it up
// once the sentinels name another master, or when it asks nobody after all.
type Claim struct {
	Format  int    `json:"format"`
	Group   string `json:"group"`
	GroupID string `json:"group_id"`
	// ID is the claim's own, one for each crash.
	ID string `json:"id"`
	// Node is whose agent claims, Master its server, which died.
	Node   string `json:"node"`
	Master Addr   `json:"master"`
	// Sentinel is the node of the one sentinel that is asked.
	Sentinel string    `json:"sentinel"`
	At       time.Time `json:"at"`
}
