package distro

import (
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redisconf"
)

func defaultNames() rdb.Names { return rdb.DefaultNames() }

// persistent are always named: redfleet's own defaults are not the engine's, and a
// group that is adopted keeps what it has.
func persistent() []string { return []string{"appendonly", "save"} }

// ownSettings are the settings of a running server that redfleet does not own and
// that are neither the engine's default nor what redfleet's template would make of
// it: what a spec has to say so that a server made by it is the same.
func ownSettings(lines []redisconf.Directive, live, defaults, seeds map[string]string) fleet.Directives {
	out := fleet.Directives{}
	take := func(name string) {
		value, known := live[name]
		if _, owned := fleet.OwnedDirective(name); owned || !known {
			return
		}
		out[name] = valuesOf(name, value)
	}
	for _, d := range lines {
		is, known := live[d.Name]
		if usual, has := defaults[d.Name]; known && has && !redisconf.SameValue(d.Name, is, usual) {
			take(d.Name)
		}
	}
	for name, seed := range seeds {
		if is, known := live[name]; known && !redisconf.SameValue(name, is, seed) {
			take(name)
		}
	}
	for _, name := range persistent() {
		take(name)
	}
	// Where redfleet's template says something else than the engine, and the server
	// has the engine's value, take has noted it; what the template says too is not
	// needed, but for persistence.
	for name := range out {
		if seed, has := seeds[name]; has && name != "appendonly" && redisconf.SameValue(name, live[name], seed) {
			delete(out, name)
		}
	}
	return out
}

// valuesOf writes a live value as lines of a file: CONFIG GET joins what stands on
// several lines, and older engines read one of them only.
func valuesOf(name, value string) []string {
	words := strings.Fields(value)
	per := map[string]int{"save": 2, "client-output-buffer-limit": 4}[name]
	if per == 0 || len(words) <= per {
		return []string{value}
	}
	var out []string
	for len(words) >= per {
		out = append(out, strings.Join(words[:per], " "))
		words = words[per:]
	}
	return out
}
