package templates

import (
	"fmt"
	"regexp"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// setting is one directive of the spec's config, cut into arguments.
type setting struct {
	name  string
	lines [][]string
}

var directiveName = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)

// Settings are the lines that the spec's config adds, sorted by name, each
// written anew with the engine's quoting, so that no value can begin a second
// line. It refuses a name that redfleet owns, a name that is none, two names of
// one directive, and a value whose quotes do not close.
func (d RedisData) Settings() ([]string, error) {
	var lines []string
	seen := map[string]string{}
	for _, name := range d.Config.Names() {
		s, err := parseSetting(name, d.Config[name])
		if err != nil {
			return nil, err
		}
		if twin, twice := seen[s.name]; twice {
			return nil, fmt.Errorf("config: %q and %q are one directive; keep one of them", twin, name)
		}
		seen[s.name] = name
		if s.name == "appendonly" && d.LoadRDB {
			continue
		}
		for _, args := range s.lines {
			lines = append(lines, s.name+" "+redisconf.Join(args...))
		}
	}
	return lines, nil
}

// settings is Settings for the check after the render; d was checked before.
func (d RedisData) settings() []setting {
	var all []setting
	if d.LoadRDB {
		all = append(all, setting{"appendonly", [][]string{{"no"}}})
	}
	for _, name := range d.Config.Names() {
		s, err := parseSetting(name, d.Config[name])
		if err == nil && (s.name != "appendonly" || !d.LoadRDB) {
			all = append(all, s)
		}
	}
	return all
}

func parseSetting(name string, values []string) (setting, error) {
	s := setting{name: redisconf.Canonical(name)}
	if !directiveName.MatchString(s.name) {
		return s, fmt.Errorf("config: %q is no name of a directive", name)
	}
	if instead, owned := fleet.OwnedDirective(s.name); owned {
		return s, fmt.Errorf("config: %s", fleet.OwnedMessage(name, instead))
	}
	if len(values) == 0 {
		return s, fmt.Errorf("config: %q has no value", name)
	}
	for _, value := range values {
		args, err := redisconf.Split(value)
		if err != nil {
			return s, fmt.Errorf("config: the value of %q: %w", name, err)
		}
		if len(args) == 0 {
			args = []string{""} // save = "" turns it off
		}
		s.lines = append(s.lines, args)
	}
	return s, nil
}

// Default gives the line that sets a default, or a comment where the spec's
// config sets the directive.
func (d RedisData) Default(name, value string) string {
	for set := range d.Config {
		if redisconf.Canonical(set) == redisconf.Canonical(name) {
			return "# " + name + ": see the spec's settings below"
		}
	}
	return name + " " + value
}
