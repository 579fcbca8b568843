package fleet

import "strings"

// ownedDirective is a directive of redis.conf that redfleet writes itself.
// Where name ends in "*" it stands for all that begin so.
type ownedDirective struct {
	name string
	// instead says what an operator can do, as a clause after "redfleet sets
	// this itself;".
	instead string
}

const (
	insteadPort      = "set port in the [[group]] instead"
	insteadAddress   = "set address and bind in the node's agent.toml instead"
	insteadPassword  = "set password in the [[group]] instead: one password is kept the same on every node"
	insteadRole      = "who is master is the sentinels' to say; use prefer in the [[group]] for the first one"
	insteadAnnounce  = "set announce in [group.sentinel] and address in the node's agent.toml instead"
	insteadDataDir   = "set data_dir in the node's agent.toml instead"
	insteadProcess   = "no key changes it: redfleet starts and watches the process and has to know it"
	insteadACL       = "no key changes it yet: redfleet keeps the users, so that no node is locked out"
	insteadCluster   = "no key changes it: Redis Cluster is not among the topologies yet"
	insteadTLS       = "no key changes it: TLS is not supported yet"
	insteadOtherwise = "write the directives themselves into [group.config]: a file or a new name that redfleet " +
		"cannot see would escape its checks"
	insteadReplica  = "no key changes it: replicas stay read-only, and a new one is not promoted before it has caught up"
	insteadSentinel = "set the keys of [group.sentinel] instead"
)

// ownedDirectives is the one list of what a spec may not set in [group.config].
// Names of Redis 6.2 to 8 and Valkey 8 to 9, old aliases among them.
func ownedDirectives() []ownedDirective {
	return []ownedDirective{
		{"port", insteadPort},
		{"bind", insteadAddress},
		{"protected-mode", insteadAddress},
		{"unixsocket", insteadAddress},
		{"unixsocketperm", insteadAddress},
		{"unixsocketgroup", insteadAddress},
		{"requirepass", insteadPassword},
		{"masterauth", insteadPassword},
		{"primaryauth", insteadPassword},
		{"masteruser", insteadACL},
		{"primaryuser", insteadACL},
		{"aclfile", insteadACL},
		{"user", insteadACL},
		{"replicaof", insteadRole},
		{"slaveof", insteadRole},
		{"replica-announce*", insteadAnnounce},
		{"slave-announce*", insteadAnnounce},
		{"replica-priority", insteadReplica},
		{"slave-priority", insteadReplica},
		{"replica-read-only", insteadReplica},
		{"slave-read-only", insteadReplica},
		{"dir", insteadDataDir},
		{"dbfilename", insteadDataDir},
		{"appenddirname", insteadDataDir},
		{"appendfilename", insteadDataDir},
		{"pidfile", insteadProcess},
		{"logfile", insteadProcess},
		{"daemonize", insteadProcess},
		{"supervised", insteadProcess},
		{"loadmodule", "no key changes it: modules are not supported yet"},
		{"include", insteadOtherwise},
		{"rename-command", insteadOtherwise},
		{"sentinel", insteadSentinel},
		{"cluster-*", insteadCluster},
		{"tls-*", insteadTLS},
	}
}

// OwnedDirective tells whether redfleet sets a directive of redis.conf itself,
// so that a spec may not, and what to do instead, as a clause that stands after
// "redfleet sets … itself;". Case does not count, as in Redis.
func OwnedDirective(name string) (useInstead string, owned bool) {
	name = strings.ToLower(name)
	for _, d := range ownedDirectives() {
		prefix, many := strings.CutSuffix(d.name, "*")
		if name == d.name || many && strings.HasPrefix(name, prefix) {
			return d.instead, true
		}
	}
	return "", false
}

// OwnedDirectives lists the owned names; one that ends in "*" stands for all
// that begin so.
func OwnedDirectives() []string {
	list := ownedDirectives()
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.name
	}
	return names
}

// OwnedMessage is what an operator is told who set an owned directive.
func OwnedMessage(name, useInstead string) string {
	return "redfleet sets " + name + " itself; " + useInstead
}
