package templates

import (
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// Seeds are the settings of one value that the built-in redis.conf gives a new
// server and that redfleet does not own, with their values: by these a server
// that was built by hand can differ from one that redfleet makes. They are those
// of a server without an own config, and hold no secret.
func Seeds(engine string) (map[string]string, error) {
	set, err := New("")
	if err != nil {
		return nil, err
	}
	rendered, err := set.Redis(RedisData{
		Node: Node{Bind: []string{"127.0.0.1"}, Dir: "/", Password: "none"}, Group: "none", Engine: engine,
		Topology: fleet.Replication, Addr: fleet.Addr{Host: "127.0.0.1", Port: fleet.DefaultPort},
		MasterAuth: "none", ReplicaPriority: DefaultReplicaPriority,
	})
	if err != nil {
		return nil, err
	}
	f, err := redisconf.Parse(rendered)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, d := range f.Directives() {
		if _, owned := fleet.OwnedDirective(d.Name); !owned {
			out[d.Name] = strings.Join(d.Args, " ")
		}
	}
	return out, nil
}
