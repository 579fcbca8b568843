package preflight

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/redfleet/redfleet/internal/redisconf"
)

// configFact is one file of the distribution's folders that says more than the
// package that brought it.
type configFact struct {
	file string
	says []string
}

func gatherConfigs(_ context.Context, in *Input) ([]configFact, error) {
	var facts []configFact
	for _, pattern := range []string{"/etc/redis/*.conf", "/etc/redis/*/*.conf", "/etc/valkey/*.conf", "/etc/valkey/*/*.conf"} {
		for _, file := range in.glob(pattern) {
			text, err := os.ReadFile(in.path(file))
			if err != nil {
				return nil, err
			}
			parsed, err := redisconf.Parse(text)
			if err != nil {
				facts = append(facts, configFact{file: file, says: []string{err.Error()}})
				continue
			}
			facts = append(facts, configFact{file: file, says: byHand(parsed)})
		}
	}
	return facts, nil
}

// byHand finds what no package writes: a role, a password, a cluster, a sentinel
// that watches more than the example. Passwords are not repeated.
func byHand(f *redisconf.File) []string {
	var says []string
	for _, name := range []string{"replicaof", "requirepass", "masterauth", "cluster-enabled"} {
		for _, args := range f.Get(name) {
			switch {
			case name == "replicaof":
				says = append(says, "follows "+strings.Join(args, ":"))
			case name != "cluster-enabled":
				says = append(says, "has "+name)
			case len(args) == 1 && args[0] == "yes":
				says = append(says, "is of a cluster")
			}
		}
	}
	for _, args := range f.Get("sentinel monitor") {
		// Debian's own example is "mymaster 127.0.0.1 6379 2".
		if len(args) >= 3 && (args[0] != "mymaster" || args[1] != "127.0.0.1") {
			says = append(says, fmt.Sprintf("watches %s at %s:%s", args[0], args[1], args[2]))
		}
	}
	return says
}

func judgeConfigs(_ *Input, facts []configFact) Finding {
	var said []string
	for _, f := range facts {
		if len(f.says) > 0 {
			said = append(said, f.file+" "+strings.Join(f.says, ", "))
		}
	}
	switch {
	case len(said) > 0:
		return warn("where that group is not needed any more, disable its unit and move the file away; redfleet does not use it",
			"%s", strings.Join(said, "; "))
	case len(facts) > 0:
		return ok("%d files below /etc/redis and /etc/valkey, as the packages bring them; redfleet does not use them", len(facts))
	}
	return ok("nothing below /etc/redis and /etc/valkey")
}
