package main

import (
	"fmt"
	"slices"
)

// target is a package whose guards are mutated.
type target struct {
	// dir is the package's folder, files the ones of it; empty for all.
	dir   string
	files []string
	// depths are the tests to try, the quickest first.
	depths []depth
}

// depth is one way of testing.
type depth struct {
	// name says how deep it looks: "unit", "near", "sim".
	name string
	dir  string
	// run is a pattern of tests, args more for the test binary.
	run  string
	args []string
}

// key is the same for the same tests: they are built and measured once.
func (d depth) key() string { return d.dir + " " + d.run }

func unit(dir string) depth { return depth{name: "unit", dir: dir} }

// simulated has whole fleets run on virtual time, a seed each. It takes longest, so
// it sees only what the others let through, or with -depth sim a share.
func simulated() depth {
	return depth{name: "sim", dir: "internal/sim", run: "^TestSeeds$", args: []string{"-sim.no-shrink"}}
}

// targets are what decides, what fences and what keeps secrets.
func targets() []target {
	deciding := []string{
		"coordinator/elect", "coordinator/assess", "coordinator/plan",
		"coordinator/adopt", "coordinator/rebuild", "coordinator/request",
		"agent/converge", "agent/fence", "agent/evidence",
		"internal/drill", "internal/switchover",
	}
	// The simulation does not reach these, or only their words to people.
	words := []string{"coordinator/assess", "coordinator/adopt", "coordinator/rebuild", "coordinator/request", "internal/drill", "internal/switchover"}
	var out []target
	for _, dir := range deciding {
		depths := []depth{unit(dir)}
		if !slices.Contains(words, dir) {
			depths = append(depths, simulated())
		}
		out = append(out, target{dir: dir, depths: depths})
	}
	lease := []depth{{name: "unit", dir: "internal/consul", run: "^Test(Lease|Guard|Campaign)"}, {name: "near", dir: "internal/devconsul"}, simulated()}
	writes := []depth{
		{name: "unit", dir: "coordinator", run: "^Test(Writes|AStalePlan)"},
		{name: "near", dir: "coordinator", run: "^Test(LargePlans|LostAnswers|APassword)"},
	}
	return append(out,
		target{dir: "agent/state", files: []string{"accept.go", "secret.go", "instance.go"}, depths: []depth{unit("agent/state")}},
		target{dir: "internal/secret", depths: []depth{unit("internal/secret")}},
		target{dir: "internal/consul", files: []string{"lease.go", "held.go", "campaign.go"}, depths: lease},
		target{dir: "coordinator", files: []string{"write.go"}, depths: writes},
	)
}

// atDepth leaves of each target the tests of one depth; empty is every depth. A
// mutant of a target that has none of it is not looked at.
func atDepth(all []target, name string) ([]target, error) {
	if name == "" {
		return all, nil
	}
	left := 0
	for i := range all {
		all[i].depths = slices.DeleteFunc(all[i].depths, func(d depth) bool { return d.name != name })
		left += len(all[i].depths)
	}
	if left == 0 {
		return nil, fmt.Errorf("no tests are of the depth %q; the depths are unit, near and sim", name)
	}
	return all, nil
}
