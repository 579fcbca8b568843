package apply

import (
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/templates"
)

// Expected gives what CONFIG GET should answer on a running server: the
// directives of one value that redfleet or the spec sets. Passwords are left
// out, which have a check of their own, and what is the engine's to change.
func (a *Applier) Expected(t Target) (map[string]string, error) {
	node, err := a.node(t)
	if err != nil {
		return nil, err
	}
	rendered, err := a.Templates.Redis(templates.NewRedisData(t.Goal, node, nil))
	if err != nil {
		return nil, err
	}
	f, err := redisconf.Parse(rendered)
	if err != nil {
		return nil, err
	}
	owned := templates.MergeOwned(fleet.KindRedis, t.Goal.Config)
	out := map[string]string{}
	for _, name := range f.Names() {
		lines := f.Get(name)
		if name == "supervised" { // auto, which the engine replaces by what it found
			continue
		}
		if !owned(name) || strings.Contains(name, "pass") || strings.Contains(name, "auth") {
			continue
		}
		if len(lines) == 1 && len(lines[0]) == 1 {
			out[name] = lines[0][0]
		}
	}
	return out, nil
}
