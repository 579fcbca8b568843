package distro

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/systemd"
)

// askTimeout bounds one question to a unit's server.
const askTimeout = 2 * time.Second

// fact is all that a verdict rests on.
type fact struct {
	unit     systemd.Unit
	sentinel bool
	settings settings
	// unreadable says why the settings are not known.
	unreadable error
	// data says what data lies in its folder; empty for none.
	data string
	// use is what the running server says of itself, askErr why it says nothing.
	use    use
	askErr error
}

// use is who uses a server.
type use struct {
	keys     int64
	clients  int
	replicas int
	replica  bool
}

// gather looks at a unit. Connections whose names begin as one of unused says are
// those of a sentinel that nobody uses.
func gather(ctx context.Context, u systemd.Unit, unused []string) fact {
	f := fact{unit: u, sentinel: strings.Contains(u.Name, "-sentinel")}
	if u.Masked && !u.Running {
		return f
	}
	if f.settings, f.unreadable = readSettings(u.Argv, f.sentinel); f.unreadable != nil {
		return f
	}
	if !f.sentinel {
		f.data = dataIn(f.settings.dir, f.settings.names)
	}
	if u.Running {
		f.use, f.askErr = ask(ctx, f, unused)
	}
	return f
}

// dataIn says what data is in a server's folder; empty for none. What cannot be
// read counts as data.
func dataIn(dir string, names rdb.Names) string {
	if dir == "" {
		return ""
	}
	files, err := rdb.Inspect(dir, names)
	switch {
	case err != nil:
		return fmt.Sprintf("its folder %s cannot be read (%v)", dir, err)
	case files.Dataset().Present:
		return "there is data in " + dir
	}
	return ""
}

// errNoPort: there is no way to ask.
var errNoPort = errors.New("it listens on no port without TLS")

func ask(ctx context.Context, f fact, unused []string) (use, error) {
	if f.settings.ask.Port == 0 {
		return use{}, errNoPort
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c := redis.Dial(f.settings.ask, f.settings.password.Reveal())
	defer func() { _ = c.Close() }()
	names, err := c.OtherClients(ctx)
	if err != nil {
		return use{}, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(unused, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
	u := use{clients: len(names)}
	if f.sentinel {
		return u, nil
	}
	info, err := c.Observe(ctx)
	if err == nil && info.Loading {
		err = errors.New("it is loading data")
	}
	u.keys, u.replicas, u.replica = info.Keys, len(info.Replicas), info.Role == fleet.RoleReplica
	return u, err
}

// idInName is how much of its id a sentinel puts into the names of its connections
// (sentinel.c, sentinelSetClientName).
const idInName = 8

// judge is pure. In doubt a unit is used.
func judge(f fact) Finding {
	out := Finding{Unit: f.unit.Name, Ports: f.settings.ports, Verdict: Leave, unit: f.unit}
	if !f.sentinel {
		out.dir, out.names = f.settings.dir, f.settings.names
	}
	if !f.unit.Running && (f.unit.Masked || !f.unit.Enabled) {
		out.Found = "it neither runs nor starts at the next boot"
		return out
	}
	if f.unreadable != nil {
		out.Ports = standardPorts(f.sentinel)
		out.dir = ""
		return out.refuse(fmt.Sprintf("its configuration cannot be read (%v), so nobody knows what it holds", f.unreadable))
	}
	if why := f.reasons(); len(why) > 0 {
		return out.refuse(strings.Join(why, ", "))
	}
	out.Verdict, out.Found = TakeOut, "it is unused (no key, no client, no data on disk)"
	if f.sentinel {
		if len(f.settings.myID) >= idInName {
			out.clients = "sentinel-" + f.settings.myID[:idInName] + "-"
		}
		out.Found = "it is unused (it watches nothing but its package's example, and has no client)"
	}
	return out
}

// reasons are those for which a unit is used.
func (f fact) reasons() (why []string) {
	add := func(is bool, format string, args ...any) {
		if is {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	add(!shipped(f.unit.Fragment), "its unit %s is no package's", f.unit.Fragment)
	add(f.data != "", "%s", f.data)
	add(f.askErr != nil, "it runs and cannot be asked whether it is empty (%v)", f.askErr)
	add(f.use.keys > 0, "it holds %s", count(f.use.keys, "key"))
	add(f.use.clients > 0, "it has %s", count(int64(f.use.clients), "client"))
	add(f.use.replicas > 0, "it has %s", count(int64(f.use.replicas), "replica"))
	add(f.use.replica, "it is a replica of another server")
	return append(why, f.settings.watches...)
}

func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// shipped: the unit's file is one that a package brings, not an operator's own.
func shipped(fragment string) bool {
	return slices.ContainsFunc([]string{"/lib/systemd/system/", "/usr/lib/systemd/system/"}, func(dir string) bool {
		return strings.HasPrefix(fragment, dir)
	})
}

// standardPorts are assumed where the configuration does not tell.
func standardPorts(sentinel bool) []int {
	if sentinel {
		return []int{26379}
	}
	return []int{6379}
}
