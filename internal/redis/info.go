package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Info is what one look at a server tells.
type Info struct {
	// Engine is "redis" or "valkey"; Version its own version, not the Redis
	// version that Valkey claims to be compatible with (hazard E1).
	Engine  string
	Version string
	RunID   string
	Uptime  time.Duration
	Clients int

	Role   fleet.Role
	ReplID string
	// ReplID2 is the lineage before the last promotion; zeros without one.
	ReplID2 string
	// SecondOffset is where the lineage of ReplID2 ended: what that had below this
	// offset, this server has. -1 without one.
	SecondOffset int64
	// Offset is how far the instance's own data has come.
	Offset int64
	// Master, LinkUp, LinkDownFor, SyncInProgress: a replica's link to its
	// master. LinkDownFor is 0 while it is up and negative when it never was.
	Master         fleet.Addr
	LinkUp         bool
	LinkDownFor    time.Duration
	SyncInProgress bool
	// Replicas are those that are connected to this server.
	Replicas []Replica

	// Loading: the dataset is being loaded, and only part of the commands answer.
	Loading bool
	// AOF: the append-only file is on. SaveOK and AOFOK: the last background
	// save and the last append did not fail.
	AOF    bool
	SaveOK bool
	AOFOK  bool
	// MinReplicas is how many replicas must have answered within
	// min-replicas-max-lag for a master to take writes, 0 where it takes them
	// alone; GoodReplicas how many have.
	MinReplicas  int
	GoodReplicas int
	// Keys are all keys of all databases.
	Keys int64

	ReplicaReadOnly bool
	ReplicaPriority int
	// PasswordOK: clients must give the password of this client. MasterAuthOK:
	// masterauth is that password.
	PasswordOK   bool
	MasterAuthOK bool
}

// Replica is one replica as its master sees it, by the address that it announces.
type Replica struct {
	Addr fleet.Addr
	// State is "online" once the replica is in sync and fed.
	State    string
	Offset   int64
	LagBytes int64
}

// The places of the commands in an observation.
const (
	askServer = iota
	askClients
	askPersistence
	askReplication
	askKeyspace
	askReadOnly
	askPriority
	askMinReplicas
	askMasterAuth
	askACL
)

// observation is one section per INFO, because Redis 6.2 takes no more than one.
func observation() [][]any {
	return [][]any{
		askServer:      {"INFO", "server"},
		askClients:     {"INFO", "clients"},
		askPersistence: {"INFO", "persistence"},
		askReplication: {"INFO", "replication"},
		askKeyspace:    {"INFO", "keyspace"},
		askReadOnly:    {"CONFIG", "GET", "replica-read-only"},
		askPriority:    {"CONFIG", "GET", "replica-priority"},
		askMinReplicas: {"CONFIG", "GET", "min-replicas-to-write"},
		askMasterAuth:  {"CONFIG", "GET", "masterauth"},
		askACL:         {"ACL", "GETUSER", "default"},
	}
}

// Observe looks at the server in one round trip. While the dataset is loading
// it answers too, with Loading set.
func (s *Server) Observe(ctx context.Context) (Info, error) {
	replies, err := s.pipeline(ctx, observation()...)
	if err != nil {
		return Info{}, err
	}
	for _, r := range replies {
		if err := r.Err(); err != nil {
			return Info{}, s.fail("INFO", err)
		}
	}
	in := Info{GoodReplicas: notCounted}
	for _, at := range []int{askServer, askClients, askPersistence, askReplication, askKeyspace} {
		section, _ := replies[at].Text()
		lines(section, in.take)
	}
	in.MinReplicas, _ = strconv.Atoi(directive(replies[askMinReplicas]))
	in.settle()
	in.ReplicaReadOnly = directive(replies[askReadOnly]) == "yes"
	in.ReplicaPriority, _ = strconv.Atoi(directive(replies[askPriority]))
	in.MasterAuthOK = digestOf(directive(replies[askMasterAuth])) == s.digest
	acl, _ := replies[askACL].Slice()
	in.PasswordOK = asksFor(acl, s.digest)
	return in, nil
}

// notCounted: the server does not say how many good replicas it has, since it
// wants none or min-replicas-max-lag is 0, which turns that off.
const notCounted = -1

// RefusesWrites: a master that wants more good replicas than it has, and answers
// writes with NOREPLICAS.
func (in *Info) RefusesWrites() bool {
	return in.Role == fleet.RoleMaster && in.GoodReplicas < in.MinReplicas
}

// directive is the value in a CONFIG GET reply.
func directive(r *goredis.Cmd) string {
	list, err := r.Slice()
	if err != nil || len(list) < 2 {
		return ""
	}
	return text(list[1])
}

// take reads one line of INFO.
func (in *Info) take(key, value string) {
	switch key {
	case "redis_version":
		if in.Version == "" {
			in.Version = value
		}
	case "valkey_version":
		in.Version = value
	case "server_name":
		in.Engine = value
	case "run_id":
		in.RunID = value
	case "uptime_in_seconds":
		in.Uptime = seconds(value)
	case "connected_clients":
		in.Clients = int(number(value))
	case "loading":
		in.Loading = value == "1"
	case "aof_enabled":
		in.AOF = value == "1"
	case "rdb_last_bgsave_status":
		in.SaveOK = value == "ok"
	case "aof_last_write_status":
		in.AOFOK = value == "ok"
	default:
		in.takeReplication(key, value)
	}
}

func (in *Info) takeReplication(key, value string) {
	switch key {
	case "role":
		in.Role = fleet.RoleMaster
		if value == "slave" {
			in.Role = fleet.RoleReplica
		}
	case "master_replid":
		in.ReplID = value
	case "master_replid2":
		in.ReplID2 = value
	case "second_repl_offset":
		in.SecondOffset = number(value)
	case "master_repl_offset":
		if in.Role != fleet.RoleReplica {
			in.Offset = number(value)
		}
	case "slave_repl_offset":
		in.Offset = number(value)
	case "master_host":
		in.Master.Host = value
	case "master_port":
		in.Master.Port = int(number(value))
	case "master_link_status":
		in.LinkUp = value == "up"
	case "master_link_down_since_seconds":
		in.LinkDownFor = seconds(value)
	case "min_slaves_good_slaves":
		in.GoodReplicas = int(number(value))
	case "master_sync_in_progress":
		in.SyncInProgress = value == "1"
	default:
		in.takeNumbered(key, value)
	}
}

// takeNumbered reads "slave0:ip=…" and "db0:keys=…".
func (in *Info) takeNumbered(key, value string) {
	switch {
	case numbered(key, "slave"):
		in.Replicas = append(in.Replicas, parseReplica(value))
	case numbered(key, "db"):
		fields(value, func(k, v string) {
			if k == "keys" {
				in.Keys += number(v)
			}
		})
	}
}

func parseReplica(list string) Replica {
	var r Replica
	fields(list, func(k, v string) {
		switch k {
		case "ip":
			r.Addr.Host = v
		case "port":
			r.Addr.Port = int(number(v))
		case "state":
			r.State = v
		case "offset":
			r.Offset = number(v)
		}
	})
	return r
}

// settle fills in what needs the whole reply.
func (in *Info) settle() {
	if in.Engine == "" {
		in.Engine = fleet.EngineRedis
	}
	if in.GoodReplicas == notCounted {
		in.GoodReplicas, in.MinReplicas = 0, 0
	}
	for i := range in.Replicas {
		r := &in.Replicas[i]
		r.LagBytes = max(0, in.Offset-r.Offset)
	}
}

// numbered tells whether key is the word with a number after it.
func numbered(key, word string) bool {
	digits, ok := strings.CutPrefix(key, word)
	if !ok || digits == "" {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

func seconds(value string) time.Duration { return time.Duration(number(value)) * time.Second }
