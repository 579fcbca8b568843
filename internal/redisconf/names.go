package redisconf

import "strings"

// perMaster are the directives of sentinel.conf that belong to one monitored
// master: their first argument is its name.
func perMaster(sub string) bool {
	switch sub {
	case "monitor", "down-after-milliseconds", "failover-timeout", "parallel-syncs",
		"auth-pass", "auth-user", "notification-script", "client-reconfig-script",
		"rename-command", "master-reboot-down-after-period",
		"known-replica", "known-sentinel", "config-epoch", "leader-epoch":
		return true
	}
	return false
}

// Canonical is a directive's name in lower case and in the engine's present
// words: "slaveof" is "replicaof", "slave-priority" is "replica-priority",
// "min-slaves-to-write" is "min-replicas-to-write". A directive of Sentinel
// is written with its word: "sentinel known-replica".
func Canonical(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if sub, ok := strings.CutPrefix(name, "sentinel "); ok {
		return "sentinel " + canonicalSentinel(strings.TrimSpace(sub))
	}
	switch {
	case name == "slaveof":
		return "replicaof"
	case name == "primaryauth":
		return "masterauth"
	case name == "primaryuser":
		return "masteruser"
	case strings.HasPrefix(name, "slave-"):
		return "replica-" + strings.TrimPrefix(name, "slave-")
	}
	for _, word := range []string{"min-slaves-", "cluster-slave-", "repl-ping-slave-"} {
		if rest, ok := strings.CutPrefix(name, word); ok {
			return strings.Replace(word, "slave", "replica", 1) + rest
		}
	}
	return name
}

func canonicalSentinel(sub string) string {
	switch sub {
	case "known-slave":
		return "known-replica"
	case "primary-reboot-down-after-period":
		return "master-reboot-down-after-period"
	}
	return sub
}
