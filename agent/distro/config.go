package distro

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/secret"
)

// settings is what a unit's own configuration says.
type settings struct {
	// ask is where the server answers; the port is 0 where it has no plain TCP.
	ask   fleet.Addr
	ports []int
	// password is the one to ask it with.
	password secret.Password
	dir      string
	names    rdb.Names
	// watches says what a sentinel watches that is not its package's example.
	watches []string
	// myID is a sentinel's, which is in the name of its connections.
	myID string
	// file is the configuration file, lines are all settings in their order.
	file  string
	lines []redisconf.Directive
}

// maxIncludes is how deep files may include each other.
const maxIncludes = 8

// readSettings reads the file that a command line names, the files that it
// includes, and the settings of the command line itself, where a later one wins,
// as the engine does it.
func readSettings(argv []string, sentinel bool) (settings, error) {
	var lines []redisconf.Directive
	rest := argv[min(1, len(argv)):]
	file := ""
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		var err error
		if lines, err = readFile(rest[0], 0); err != nil {
			return settings{}, err
		}
		file, rest = rest[0], rest[1:]
	}
	for i := 0; i < len(rest); i++ {
		name, ok := strings.CutPrefix(rest[i], "--")
		if !ok {
			continue
		}
		d := redisconf.Directive{Name: redisconf.Canonical(name)}
		for i+1 < len(rest) && !strings.HasPrefix(rest[i+1], "--") {
			i++
			d.Args = append(d.Args, rest[i])
		}
		lines = append(lines, d)
	}
	s, err := settle(lines, sentinel)
	s.file, s.lines = file, lines
	return s, err
}

func readFile(path string, depth int) ([]redisconf.Directive, error) {
	if depth > maxIncludes {
		return nil, fmt.Errorf("%s: files include each other more than %d deep", path, maxIncludes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := redisconf.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var lines []redisconf.Directive
	for _, d := range f.Directives() {
		if d.Name != "include" || len(d.Args) != 1 {
			lines = append(lines, d)
			continue
		}
		pattern := d.Args[0]
		if !filepath.IsAbs(pattern) { // the engine's working folder at its start
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: include %q: %w", path, pattern, err)
		}
		for _, file := range found {
			more, err := readFile(file, depth+1)
			if err != nil {
				return nil, err
			}
			lines = append(lines, more...)
		}
	}
	return lines, nil
}

func settle(lines []redisconf.Directive, sentinel bool) (s settings, err error) {
	s = settings{ask: fleet.Addr{Host: "127.0.0.1", Port: 6379}, names: rdb.DefaultNames(), dir: "/"}
	if sentinel {
		s.ask.Port = 26379
	}
	tls := 0
	for _, d := range lines {
		first := ""
		if len(d.Args) > 0 {
			first = d.Args[0]
		}
		switch d.Name {
		case "port":
			s.ask.Port, _ = strconv.Atoi(first)
		case "tls-port":
			tls, _ = strconv.Atoi(first)
		case "bind":
			s.ask.Host = reachable(first)
		case "requirepass":
			if s.password, err = secret.NewPassword(first); err != nil {
				return s, fmt.Errorf("its requirepass cannot be used to ask it: %w", err)
			}
		case "dir":
			s.dir = first
		case "dbfilename":
			s.names.RDB = first
		case "appenddirname":
			s.names.AOFDir = first
		case "sentinel myid":
			s.myID = first
		case "appendfilename":
			s.names.AOF = first
		default:
			s.watch(d)
		}
	}
	s.ports = slices.DeleteFunc([]int{s.ask.Port, tls}, func(p int) bool { return p == 0 })
	return s, nil
}

// watch notes what no package's file has: a master elsewhere, replicas, peers.
func (s *settings) watch(d redisconf.Directive) {
	switch {
	case d.Name == "sentinel monitor" && len(d.Args) > 2 && d.Args[1] != "127.0.0.1":
		s.watches = append(s.watches, fmt.Sprintf("it watches %s at %s:%s", d.Args[0], d.Args[1], d.Args[2]))
	case slices.Contains([]string{"sentinel known-replica", "sentinel known-sentinel"}, d.Name) && len(d.Args) > 2:
		s.watches = append(s.watches, fmt.Sprintf("it knows %s:%s", d.Args[1], d.Args[2]))
	}
}

// reachable is where to ask a server that binds to this; "-" before an address
// allows it to be missing.
func reachable(bind string) string {
	switch host := strings.TrimPrefix(bind, "-"); host {
	case "", "*", "0.0.0.0":
		return "127.0.0.1"
	case "::", "::*":
		return "::1"
	default:
		return host
	}
}
