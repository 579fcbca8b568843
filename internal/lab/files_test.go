package lab

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTestLab(t *testing.T, asked Plan) *Lab {
	t.Helper()
	l, err := openOrCreate(Options{Dir: filepath.Join(t.TempDir(), "a lab's"), Program: "/bin/false", Log: logrus.New()}, asked)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.writeFiles(); err != nil {
		t.Fatal(err)
	}
	return l
}

// The lab's files are an operator's: redfleet's own readers take them.
func TestFilesAreRead(t *testing.T) {
	for name, asked := range map[string]Plan{
		"sentinel":    {Nodes: 5, Coordinators: 2},
		"replication": {Topology: fleet.Replication, Consul: "127.0.0.1:8500"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTestLab(t, asked)
			spec, _, err := specfile.ReadSpec(l.path("spec.toml"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(l.Plan.spec(), spec); diff != "" {
				t.Errorf("the file says another spec than the lab writes: %s", diff)
			}
			for i, node := range l.Plan.nodes() {
				cfg, err := specfile.ReadAgent(l.path(node, "agent.toml"))
				if err != nil {
					t.Fatal(err)
				}
				if cfg.Address != l.Plan.address(i) || cfg.Consul.Address != l.Plan.consulAddr() {
					t.Errorf("agent of %s: %+v", node, cfg)
				}
			}
			for i := range l.Plan.Coordinators {
				if _, err := specfile.ReadCoordinator(l.path([]string{"coordinator1.toml", "coordinator2.toml"}[i]), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestFilesAreThePrivateOnesOfTheirOwner(t *testing.T) {
	l := newTestLab(t, Plan{})
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A folder with a blank and a quote in its name must survive the shell.
func TestEnvIsForTheShell(t *testing.T) {
	l := newTestLab(t, Plan{})
	out, err := exec.Command("/bin/sh", "-c", `. "$1" && printf '%s\n' "$REDFLEET_FLEET" "$CONSUL_HTTP_ADDR" "$REDFLEET_KEY_FILE" "$REDFLEET_LAB_DIR"`, "sh", l.EnvFile()).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{"lab", "127.0.0.10:8500", l.KeyFile(), filepath.Dir(l.EnvFile()), ""}, "\n")
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Error(diff)
	}
}

func TestTheKeyStays(t *testing.T) {
	l := newTestLab(t, Plan{})
	before, err := os.ReadFile(l.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.writeFiles(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(l.KeyFile())
	if err != nil || string(after) != string(before) {
		t.Errorf("the key was made anew (%v)", err)
	}
}

func TestOpen(t *testing.T) {
	if _, err := Open(Options{Dir: t.TempDir(), Log: logrus.New()}); !errors.Is(err, ErrNoLab) {
		t.Errorf("error %v, want %v", err, ErrNoLab)
	}
	l := newTestLab(t, Plan{Nodes: 5})
	again, err := Open(Options{Dir: l.Dir, Log: logrus.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if diff := cmp.Diff(l.Plan, again.Plan); diff != "" {
		t.Error(diff)
	}
}

func TestAFolderOfOtherThingsIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openOrCreate(Options{Dir: dir, Log: logrus.New()}, Plan{})
	if err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error %v, want one that names the file", err)
	}
}

func TestRemoveLeavesWhatIsNotTheLabs(t *testing.T) {
	l := newTestLab(t, Plan{})
	other := l.path("thesis.tex")
	if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.remove(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(l.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "thesis.tex" {
		t.Errorf("left are %v (%v)", left, err)
	}
}
