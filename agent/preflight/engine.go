package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
)

// engineFact is one engine that is to run here, or why it cannot.
type engineFact struct {
	name  string
	found engine.Engine
	err   error
}

func gatherEngines(ctx context.Context, in *Input) ([]engineFact, error) {
	paths := map[string]string{fleet.EngineRedis: in.Config.RedisServer, fleet.EngineValkey: in.Config.ValkeyServer}
	var facts []engineFact
	for _, name := range in.wantedEngines() {
		found, err := engine.Find(ctx, name, paths[name])
		facts = append(facts, engineFact{name: name, found: found, err: err})
	}
	return facts, nil
}

// wantedEngines are those of the plan; all that redfleet can run where there is none.
func (in *Input) wantedEngines() []string {
	names := map[string]bool{}
	for _, i := range in.Plan.Instances {
		names[i.Engine] = true
	}
	if len(names) == 0 {
		return fleet.Engines()
	}
	return slices.Sorted(maps.Keys(names))
}

func judgeEngines(in *Input, facts []engineFact) Finding {
	var good, bad []string
	do, missing := "", 0
	for _, f := range facts {
		if f.err == nil {
			good = append(good, fmt.Sprintf("%s at %s", f.found, f.found.Server))
			continue
		}
		if errors.Is(f.err, engine.ErrMissing) {
			missing++
		}
		bad = append(bad, f.err.Error())
		do = "install a " + f.name + " of 6.2 or later: apt-get install " + f.name + "-server"
	}
	anyWillDo := len(in.Plan.Instances) == 0
	switch {
	case anyWillDo && len(good) > 0 && missing == len(bad):
		return ok("%s", strings.Join(good, ", "))
	case anyWillDo && len(good) == 0 && missing == len(bad):
		return fail("apt-get install redis-server, or valkey-server", "neither redis-server nor valkey-server is installed")
	case len(bad) > 0:
		return fail(do, "%s", strings.Join(bad, "; "))
	}
	if other := in.otherVersions(facts); other != "" {
		return warn("bring all nodes of a group to one version, replicas first: what a newer master writes an older one cannot load",
			"%s here; %s", strings.Join(good, ", "), other)
	}
	return ok("%s", strings.Join(good, ", "))
}

// otherVersions names the nodes beside whose engine is of another minor version
// (hazard D7).
func (in *Input) otherVersions(facts []engineFact) string {
	if in.World == nil {
		return ""
	}
	var other []string
	for _, node := range in.peerNodes() {
		for _, e := range in.World.Reports[node].Report.Engines {
			for _, f := range facts {
				if f.name == e.Name && e.Problem == "" && minor(e.Version) != minor(f.found.Version.String()) {
					other = append(other, fmt.Sprintf("%s has %s %s", node, e.Name, e.Version))
				}
			}
		}
	}
	return strings.Join(other, ", ")
}

func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// peerNodes are the nodes that share a group with this one, by name.
func (in *Input) peerNodes() []string {
	names := map[string]bool{}
	for _, p := range in.Plan.Peers {
		names[p.Node] = true
	}
	return slices.Sorted(maps.Keys(names))
}
