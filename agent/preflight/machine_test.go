package preflight

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// No check and no listener outlives its run.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine makes a folder that stands in for a machine, out of files by path. A
// path that ends with a slash is a folder; a content that begins with "-> " is a
// symbolic link.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		at := filepath.Join(root, path)
		dir := filepath.Dir(at)
		if strings.HasSuffix(path, "/") {
			dir = at
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, is := strings.CutPrefix(content, "-> "); is {
			err = os.Symlink(target, at)
		} else if !strings.HasSuffix(path, "/") {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// config is that of node n1.
func config() specfile.AgentConfig {
	return specfile.AgentConfig{Fleet: "shop", Node: "n1", Address: "127.0.0.1"}.WithDefaults()
}

// server is a plan of one redis instance with directives, as in "maxmemory 1gb".
func server(directives ...string) Plan {
	i := Instance{ID: "redis-main-6379", Kind: fleet.KindRedis, Group: "main", Engine: fleet.EngineRedis, Ports: []int{6379}, Config: fleet.Directives{}}
	for _, d := range directives {
		name, value, _ := strings.Cut(d, " ")
		i.Config[name] = []string{value}
	}
	return Plan{Source: "the test", Instances: []Instance{i}}
}

// fileCase is a check of files alone.
type fileCase struct {
	files  map[string]string
	plan   Plan
	world  *fleet.World
	config func(*specfile.AgentConfig)
	// want is the status, seen a part of what was found or of what to do.
	want Status
	seen string
}

// runCases runs one check by its name on each case.
func runCases(t *testing.T, name string, cases map[string]fileCase) {
	t.Helper()
	for label, c := range cases {
		t.Run(label, func(t *testing.T) {
			in := &Input{Root: machine(t, c.files), Config: config(), Plan: c.plan, World: c.world}
			if c.config != nil {
				c.config(&in.Config)
			}
			got := runOne(t.Context(), t, name, in)
			if got.Status != c.want || !strings.Contains(got.Found+" | "+got.Do, c.seen) {
				t.Errorf("%s: %s: %s | %s; want %s with %q", name, got.Status, got.Found, got.Do, c.want, c.seen)
			}
			if (got.Status == Warning || got.Status == Error) && got.Do == "" {
				t.Errorf("%s says nothing of what to do about %q", name, got.Found)
			}
		})
	}
}

func runOne(ctx context.Context, t *testing.T, name string, in *Input) Finding {
	t.Helper()
	for _, c := range checks() {
		if c.name == name {
			return c.run(ctx, in)
		}
	}
	t.Fatalf("there is no check %q", name)
	return Finding{}
}
