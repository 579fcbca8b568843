package templates

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// want is one owned directive as it must come out of a template.
type want struct {
	name  string
	lines [][]string // the arguments of each line
}

func one(name string, args ...string) want { return want{name, [][]string{args}} }

// verify compares what a template rendered with what redfleet owns. The error
// names the directive, never its value.
func verify(file *redisconf.File, wants []want, owned func(string) bool) error {
	known := map[string]bool{}
	for _, w := range wants {
		known[w.name] = true
		if err := w.verify(file.Get(w.name)); err != nil {
			return err
		}
	}
	for _, name := range file.Names() {
		if owned(name) && !known[name] {
			return fmt.Errorf("it sets %q, which redfleet owns and does not use here; take that line out", name)
		}
	}
	return nil
}

func (w want) verify(found [][]string) error {
	if slices.EqualFunc(found, w.lines, slices.Equal[[]string]) {
		return nil
	}
	switch {
	case len(found) == 0:
		return fmt.Errorf("the line %q is missing, which redfleet owns; put it back as in the built-in template", w.name)
	case len(found) != len(w.lines):
		return fmt.Errorf("%q is there %d times instead of %d; redfleet owns it, write it as in the built-in template",
			w.name, len(found), len(w.lines))
	default:
		return fmt.Errorf("%q has another value than redfleet gives it; write it as in the built-in template", w.name)
	}
}

// redisOwned: what no template and no spec may set in redis.conf but redfleet.
// The one list of it is the fleet package's.
func redisOwned(name string) bool {
	first, _, _ := strings.Cut(name, " ") // "sentinel monitor" is Sentinel's
	_, owned := fleet.OwnedDirective(first)
	return owned
}

// sentinelOwned: what only redfleet may write into a sentinel.conf.
func sentinelOwned(name string) bool { return slices.Contains(sentinelNames(), name) }

// sentinelNames are the directives of sentinel.conf that redfleet owns.
func sentinelNames() []string {
	return []string{
		"bind", "port", "protected-mode", "requirepass", "aclfile", "user", "include",
		"dir", "pidfile", "logfile", "daemonize", "supervised",
		"sentinel myid", "sentinel announce-ip", "sentinel announce-port",
		"sentinel resolve-hostnames", "sentinel announce-hostnames",
		"sentinel sentinel-user", "sentinel sentinel-pass", "sentinel deny-scripts-reconfig",
		"sentinel monitor", "sentinel auth-pass", "sentinel auth-user",
		"sentinel down-after-milliseconds", "sentinel failover-timeout", "sentinel parallel-syncs",
		"sentinel master-reboot-down-after-period",
		"sentinel known-replica", "sentinel known-sentinel",
		"sentinel current-epoch", "sentinel config-epoch", "sentinel leader-epoch",
	}
}

// Owned lists the directives that redfleet owns in files of a kind: neither a
// spec nor an overridden template may set them. A name that ends in "*" stands
// for all that begin so.
func Owned(kind fleet.Kind) []string {
	if kind == fleet.KindSentinel {
		return sentinelNames()
	}
	return fleet.OwnedDirectives()
}

// MergeOwned says what a render may write over in a file that the engine has
// rewritten since: what redfleet owns and, for redis.conf, what the spec's
// config names. It leaves out what is the engine's to keep after the first
// start: the role, ACL users, replica-priority (raised while running, hazard
// S19), Sentinel's id, epochs and known instances (promises
// sentinel-owns-master, sentinel-state-kept); and families of directives that
// redfleet never renders, so that an operator's own lines stay. Made for
// redisconf.Merge.
func MergeOwned(kind fleet.Kind, config fleet.Directives) func(directive string) bool {
	owned := redisOwned
	if kind == fleet.KindSentinel {
		owned, config = sentinelOwned, nil
	}
	set := map[string]bool{}
	for name := range config {
		set[redisconf.Canonical(name)] = true
	}
	return func(directive string) bool {
		name := redisconf.Canonical(directive)
		return set[name] || owned(name) && !engineKeeps(name)
	}
}

func engineKeeps(name string) bool {
	switch name {
	case "replicaof", "replica-priority", "user", "loadmodule", "rename-command",
		"sentinel myid", "sentinel known-replica", "sentinel known-sentinel",
		"sentinel current-epoch", "sentinel config-epoch", "sentinel leader-epoch":
		return true
	}
	return strings.HasPrefix(name, "cluster-") || strings.HasPrefix(name, "tls-")
}
