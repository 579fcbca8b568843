package imports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rule looks at a whole module and says what breaks it, each with its place.
type rule struct {
	name  string
	check func(module) []string
}

// rules are all of them, in the order in which the layout states them.
func rules() []rule {
	return []rule{
		{"imports run downward only", downward},
		{"agent and coordinator meet only in records", meetInRecords},
		{"a test's helper is in no shipped package", noTestHelpers},
		{"a library has its own package", oneSpeaker},
		{"internal/fleet rests on the standard library alone", fleetAlone},
		{"what decides does not reach outside", pureReachesNothing},
		{"what decides has no clock", pureHasNoClock},
	}
}

// The layers, from the records up to the binary.
const (
	layerRecords = iota
	layerTools   // what speaks to one thing outside, or knows one format
	layerDaemons
	layerLab
	layerCommands
)

// layerOf gives a package its layer; false for a folder that the layout does
// not know.
func layerOf(dir string) (int, bool) {
	switch {
	case dir == "internal/fleet":
		return layerRecords, true
	// Whole fleets, the machines for them, and how a command shows them.
	case under(dir, "internal/lab"), under(dir, "internal/fleettest"), under(dir, "internal/sim"), under(dir, "internal/view"),
		dir == "e2e/machine", dir == "e2e/machinetest":
		return layerLab, true
	case under(dir, "internal"), under(dir, "templates"), under(dir, "systemd"):
		return layerTools, true
	case under(dir, "agent"), under(dir, "coordinator"):
		return layerDaemons, true
	case under(dir, "cmd"), under(dir, "e2e"), under(dir, "packaging"), under(dir, "vagrant"):
		return layerCommands, true
	}
	return 0, false
}

func under(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

// downward: a package imports its own layer or a lower one; nothing imports a
// command.
func downward(m module) (broken []string) {
	for _, p := range m.sorted() {
		layer, known := layerOf(p.dir)
		if !known {
			broken = append(broken, p.dir+": this folder is not in the layout; give it a layer in rules_test.go")
			continue
		}
		for _, target := range slices.Sorted(maps.Keys(p.own)) {
			to, _ := layerOf(target)
			if to > layer || to == layerCommands && !sameCommand(p.dir, target) {
				broken = append(broken, fmt.Sprintf("%s: %s imports %s, which lies above it", p.own[target], p.dir, target))
			}
		}
	}
	return broken
}

// sameCommand: a command may be split into packages of its own.
func sameCommand(dir, target string) bool {
	return under(target, dir)
}

func meetInRecords(m module) (broken []string) {
	for _, pair := range [][2]string{{"agent", "coordinator"}, {"coordinator", "agent"}} {
		for _, p := range m.sorted() {
			if !under(p.dir, pair[0]) {
				continue
			}
			for _, target := range slices.Sorted(maps.Keys(p.own)) {
				if under(target, pair[1]) {
					broken = append(broken, fmt.Sprintf("%s: %s imports %s", p.own[target], p.dir, target))
				}
			}
		}
	}
	return broken
}

// noTestHelpers: packages whose name ends in "test", and testing itself, are
// for _test.go files and for each other.
func noTestHelpers(m module) (broken []string) {
	for _, p := range m.sorted() {
		if strings.HasSuffix(p.dir, "test") {
			continue
		}
		for target, at := range p.own {
			if strings.HasSuffix(target, "test") {
				broken = append(broken, fmt.Sprintf("%s: %s imports %s", at, p.dir, target))
			}
		}
		if at, ok := p.others["testing"]; ok {
			broken = append(broken, fmt.Sprintf("%s: %s imports testing", at, p.dir))
		}
	}
	return broken
}

// speakers says who may import a library, by the beginning of its import path.
// Whoever else needs it asks one of them.
func speakers() map[string][]string {
	return map[string][]string{
		// devconsul answers in the types of the client that it stands in for.
		"github.com/hashicorp/consul/api": {"internal/consul", "internal/devconsul"},
		// engine asks a server that it has started itself, on a private unix socket;
		// machinetest and the recorder of histories are applications that use a group.
		"github.com/redis/go-redis": {"internal/redis", "internal/engine", "internal/redistest", "e2e/machinetest", "internal/history/record"},
		// lab writes the files that specfile reads.
		"github.com/BurntSushi/toml":   {"internal/specfile", "internal/lab"},
		"github.com/spf13/cobra":       {"cmd/redfleet"},
		"github.com/coreos/go-systemd": {"systemd"},
		"github.com/godbus/dbus":       {"systemd"},
		"filippo.io/age":               {"internal/secret"},
	}
}

func oneSpeaker(m module) (broken []string) {
	for library, allowed := range speakers() {
		for _, p := range m.sorted() {
			if slices.Contains(allowed, p.dir) {
				continue
			}
			for target, at := range p.others {
				if under(target, library) {
					broken = append(broken, fmt.Sprintf("%s: %s imports %s; only %s may",
						at, p.dir, target, strings.Join(allowed, " and ")))
				}
			}
		}
	}
	return broken
}

func fleetAlone(m module) (broken []string) {
	p := m["internal/fleet"]
	if p == nil {
		return []string{"internal/fleet: there is no such package"}
	}
	for target, at := range p.own {
		broken = append(broken, fmt.Sprintf("%s: internal/fleet imports %s", at, target))
	}
	for target, at := range p.others {
		if first, _, _ := strings.Cut(target, "/"); strings.Contains(first, ".") {
			broken = append(broken, fmt.Sprintf("%s: internal/fleet imports %s", at, target))
		}
	}
	return broken
}

// pure are the packages that decide: functions of their arguments and of a time
// that is one of them.
func pure() []string {
	return []string{
		"agent/converge", "agent/evidence", "agent/fence",
		"coordinator/adopt", "coordinator/assess", "coordinator/elect", "coordinator/plan", "coordinator/rebuild", "coordinator/request",
		"internal/drill", "internal/switchover",
	}
}

// outside are imports by which a package would touch the machine or the
// network.
func outside() []string {
	return []string{"os", "os/exec", "os/signal", "io/ioutil", "net", "net/http", "syscall", "path/filepath",
		"math/rand", "math/rand/v2", "crypto/rand", "log", "golang.org/x/sys", "github.com/hashicorp/consul",
		"github.com/redis/go-redis", "github.com/google/renameio", "github.com/sirupsen/logrus"}
}

// pureReachesNothing looks through the module's own packages too: a decision
// must not touch the machine by way of another package either. internal/fleet
// is passed over there, since it may import net for its address functions and
// fleetAlone watches over it.
func pureReachesNothing(m module) (broken []string) {
	for _, start := range pure() {
		if m[start] == nil {
			broken = append(broken, start+": there is no such package")
			continue
		}
		seen := map[string]bool{"internal/fleet": true}
		broken = append(broken, m.reaches(start, start, seen)...)
	}
	return broken
}

func (m module) reaches(dir, way string, seen map[string]bool) (broken []string) {
	p := m[dir]
	if seen[dir] || p == nil {
		return nil
	}
	seen[dir] = true
	for target, at := range p.others {
		for _, bad := range outside() {
			if target == bad || strings.Contains(bad, ".") && under(target, bad) {
				broken = append(broken, fmt.Sprintf("%s: %s imports %s", at, way, target))
			}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(p.own)) {
		broken = append(broken, m.reaches(target, way+" → "+target, seen)...)
	}
	return broken
}

func pureHasNoClock(m module) (broken []string) {
	for _, dir := range append(pure(), "internal/fleet") {
		if p := m[dir]; p != nil {
			broken = append(broken, p.clock...)
		}
	}
	return broken
}

func (m module) sorted() []*pkg {
	list := make([]*pkg, 0, len(m))
	for _, dir := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[dir])
	}
	return list
}

// report runs one rule and fails the test for each thing that breaks it.
func report(t *testing.T, m module, r rule) {
	t.Helper()
	broken := r.check(m)
	slices.Sort(broken)
	for _, b := range broken {
		t.Error(b)
	}
}
