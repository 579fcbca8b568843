package imports

import (
	"strings"
	"testing"
	"testing/fstest"
)

// sound is a small module that breaks no rule.
func sound() fstest.MapFS {
	own := func(dir string) string { return `"` + modulePath + "/" + dir + `"` }
	return fstest.MapFS{
		"go.mod":                         {Data: []byte("module " + modulePath)},
		"cmd/redfleet/main.go":           file("main", own("agent"), own("coordinator"), own("internal/lab")),
		"internal/lab/lab.go":            file("lab", own("internal/process"), `"os"`),
		"agent/agent.go":                 file("agent", own("agent/converge"), own("internal/consul"), `"os"`),
		"agent/converge/plan.go":         file("converge", own("agent/fence")),
		"agent/fence/fence.go":           file("fence", own("internal/fleet")),
		"agent/evidence/evidence.go":     file("evidence", own("agent/fence")),
		"coordinator/loop.go":            file("coordinator", own("coordinator/plan")),
		"coordinator/plan/plan.go":       file("plan", own("coordinator/assess")),
		"coordinator/request/next.go":    file("request", own("coordinator/plan")),
		"coordinator/assess/assess.go":   file("assess", own("coordinator/elect")),
		"coordinator/elect/elect.go":     file("elect", own("internal/fleet"), `"slices"`),
		"coordinator/rebuild/rebuild.go": file("rebuild", own("coordinator/plan")),
		"internal/drill/drill.go":        file("drill"),
		"internal/switchover/next.go":    file("switchover"),
		"internal/consul/client.go":      file("consul", own("internal/fleet"), `"github.com/hashicorp/consul/api"`),
		"internal/process/start.go":      file("process", own("internal/fleet"), `"os/exec"`),
		"internal/fleet/names.go":        file("fleet", `"net"`, `"strconv"`),
		"internal/fleet/names_test.go":   file("fleet", own("agent"), `"testing"`),
		"internal/consultest/suite.go":   file("consultest", own("internal/consul"), `"testing"`),
		"internal/fleet/testdata/no.go":  {Data: []byte("not Go")},
		".ci/tools/main.go":              {Data: []byte("not Go")},
		"coordinator/adopt/adopt.go":     file("adopt", own("internal/fleet")),
	}
}

// file writes a Go file with imports; a line that is no import follows as code.
func file(name string, lines ...string) *fstest.MapFile {
	var head, body strings.Builder
	for _, line := range lines {
		if strings.HasPrefix(line, `"`) {
			head.WriteString("import " + line + "\n")
		} else {
			body.WriteString(line + "\n")
		}
	}
	return &fstest.MapFile{Data: []byte("package " + name + "\n" + head.String() + body.String())}
}

// TestPlantedViolationsAreFound is the test of the test: each rule finds what is
// planted for it, and nothing else does.
func TestPlantedViolationsAreFound(t *testing.T) {
	own := func(dir string) string { return `"` + modulePath + "/" + dir + `"` }
	cases := []struct {
		name  string
		path  string
		file  *fstest.MapFile
		rule  string
		shows string
	}{
		{"a tool imports a daemon", "internal/redis/bad.go", file("redis", own("agent")),
			"imports run downward only", "internal/redis/bad.go:2:8: internal/redis imports agent"},
		{"a daemon imports the lab", "agent/bad.go", file("agent", own("internal/lab")),
			"imports run downward only", "agent imports internal/lab"},
		{"somebody imports a command", "e2e/bench/bad.go", file("main", own("cmd/redfleet")),
			"imports run downward only", "e2e/bench imports cmd/redfleet"},
		{"a folder outside of the layout", "utils/bad.go", file("utils"),
			"imports run downward only", "utils: this folder is not in the layout"},
		{"agent imports coordinator", "agent/bad.go", file("agent", own("coordinator/assess")),
			"agent and coordinator meet only in records", "agent imports coordinator/assess"},
		{"coordinator imports agent", "coordinator/plan/bad.go", file("plan", own("agent/fence")),
			"agent and coordinator meet only in records", "coordinator/plan imports agent/fence"},
		{"a test's helper is shipped", "internal/lab/bad.go", file("lab", own("internal/consultest")),
			"a test's helper is in no shipped package", "internal/lab imports internal/consultest"},
		{"testing is shipped", "agent/bad.go", file("agent", `"testing"`),
			"a test's helper is in no shipped package", "agent imports testing"},
		{"a second speaker of Consul", "coordinator/bad.go", file("coordinator", `"github.com/hashicorp/consul/api"`),
			"a library has its own package", "coordinator imports github.com/hashicorp/consul/api"},
		{"a second speaker of Redis", "agent/bad.go", file("agent", `"github.com/redis/go-redis/v9"`),
			"a library has its own package", "agent imports github.com/redis/go-redis/v9; only internal/redis"},
		{"the records need a library", "internal/fleet/bad.go", file("fleet", `"github.com/google/uuid"`),
			"internal/fleet rests on the standard library alone", "internal/fleet imports github.com/google/uuid"},
		{"the records need another package", "internal/fleet/bad.go", file("fleet", own("internal/consul")),
			"internal/fleet rests on the standard library alone", "internal/fleet imports internal/consul"},
		{"a decision reads files", "coordinator/elect/bad.go", file("elect", `"os"`),
			"what decides does not reach outside", "coordinator/elect imports os"},
		{"a decision reaches out by another package", "agent/fence/bad.go", file("fence", own("internal/process")),
			"what decides does not reach outside", "agent/converge → agent/fence → internal/process imports os/exec"},
		{"a decision looks at the clock", "coordinator/plan/bad.go", file("plan", `"time"`, "var at = time.Now()"),
			"what decides has no clock", "coordinator/plan/bad.go:3:10: time.Now"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tree := sound()
			tree[c.path] = c.file
			m, err := readModule(tree)
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Join(named(t, c.rule).check(m), "\n")
			if !strings.Contains(found, c.shows) {
				t.Errorf("rule %q found:\n%s\nwant a line with %q", c.rule, found, c.shows)
			}
		})
	}
}

// TestSoundModuleBreaksNoRule shows that the planted violations above are found
// for what they are, and that tests, testdata and other modules do not count.
func TestSoundModuleBreaksNoRule(t *testing.T) {
	m, err := readModule(sound())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) { report(t, m, r) })
	}
}

func named(t *testing.T, name string) rule {
	t.Helper()
	for _, r := range rules() {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("no rule %q", name)
	return rule{}
}
