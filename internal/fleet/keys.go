package fleet

import "strings"

// Keys names the records of one fleet in Consul. Each has one writer; the table
// is in docs/design.md.
type Keys struct{ prefix string }

// KeysOf gives the keys of a fleet: all under redfleet/<fleet>/.
func KeysOf(fleet string) Keys { return Keys{prefix: "redfleet/" + fleet + "/"} }

// Prefix is the folder of all records, with a slash at its end.
func (k Keys) Prefix() string { return k.prefix }

// Spec is written by the operator alone.
func (k Keys) Spec() string { return k.prefix + "spec" }

// Control is written by the lease holder; every agent watches it.
func (k Keys) Control() string { return k.prefix + "control" }

// Lease is held by a coordinator's session.
func (k Keys) Lease() string { return k.prefix + "lease" }

// Group is written by the lease holder.
func (k Keys) Group(name string) string { return k.prefix + "group/" + name }

// Groups is the folder of the group records.
func (k Keys) Groups() string { return k.prefix + "group/" }

// Goal is written by the lease holder.
func (k Keys) Goal(node string) string { return k.prefix + "goal/" + node }

// Goals is the folder of the goals.
func (k Keys) Goals() string { return k.prefix + "goal/" }

// Report is written by that node's agent.
func (k Keys) Report(node string) string { return k.prefix + "report/" + node }

// Reports is the folder of the reports; only a coordinator watches it.
func (k Keys) Reports() string { return k.prefix + "report/" }

// Secret is written by the lease holder.
func (k Keys) Secret(group string) string { return k.prefix + "secret/" + group }

// Claim is held by the session of the agent that may ask for a failover of the group.
func (k Keys) Claim(group string) string { return k.prefix + "claim/" + group }

// Claims is the folder of the claims.
func (k Keys) Claims() string { return k.prefix + "claim/" }

// Event is written by who acted; id is a ULID, so keys sort by time.
func (k Keys) Event(id string) string { return k.prefix + "event/" + id }

// Events is the folder of the events.
func (k Keys) Events() string { return k.prefix + "event/" }

// Request is written by an operator's verb and then by the lease holder, which
// carries it out; id is a ULID, so requests sort by when they were made.
func (k Keys) Request(id string) string { return k.prefix + "request/" + id }

// Requests is the folder of the requests.
func (k Keys) Requests() string { return k.prefix + "request/" }

// Recovery is written by that node's agent while Consul holds no control record,
// and removed by the lease holder once there is one.
func (k Keys) Recovery(node string) string { return k.prefix + "recovery/" + node }

// Recoveries is the folder of what the agents offer to an emptied Consul.
func (k Keys) Recoveries() string { return k.prefix + "recovery/" }

// Rebuild is held by the session of `redfleet recover`, so that two runs of it
// never cross.
func (k Keys) Rebuild() string { return k.prefix + "rebuild" }

// Drill is held by the session of `redfleet drill`: one drill of a fleet at a time.
func (k Keys) Drill() string { return k.prefix + "drill" }

// Open are the keys and folders that a verdict needs: all but the sealed secrets.
func (k Keys) Open() []string {
	return []string{k.Spec(), k.Control(), k.Groups(), k.Goals(), k.Reports(), k.Requests(), k.Events()}
}

// Base is the last element of a key: the node's or the group's name.
func Base(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
