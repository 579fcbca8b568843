package main

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

func unit(dir string) depth { return depth{name: "unit", dir: dir} }

// targets are what decides, what fences and what keeps secrets.
func targets() []target {
	deciding := []string{
		"coordinator/elect", "coordinator/assess", "coordinator/plan",
		"agent/converge", "agent/fence",
	}
	var out []target
	for _, dir := range deciding {
		out = append(out, target{dir: dir, depths: []depth{unit(dir)}})
	}
	lease := []depth{{name: "unit", dir: "internal/consul", run: "^Test(Lease|Guard|Campaign)"}, {name: "near", dir: "internal/devconsul"}}
	return append(out,
		target{dir: "agent/state", files: []string{"accept.go", "secret.go", "instance.go"}, depths: []depth{unit("agent/state")}},
		target{dir: "internal/secret", depths: []depth{unit("internal/secret")}},
		target{dir: "internal/consul", files: []string{"lease.go", "held.go", "campaign.go"}, depths: lease},
		target{dir: "coordinator", files: []string{"write.go"}, depths: []depth{unit("coordinator")}},
	)
}
