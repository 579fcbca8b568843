package specfile

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestCommentedFilesExplainEachKey: no key is without its explanation, and none is
// explained that does not exist.
func TestCommentedFilesExplainEachKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config reflect.Type
		notes  []note
	}{
		"agent":       {reflect.TypeFor[AgentConfig](), agentNotes()},
		"coordinator": {reflect.TypeFor[CoordinatorConfig](), coordinatorNotes()},
	} {
		var explained []string
		for _, n := range tt.notes {
			explained = append(explained, n.key)
		}
		slices.Sort(explained)
		want := keysOf(tt.config, "")
		slices.Sort(want)
		if d := cmp.Diff(want, explained); d != "" {
			t.Errorf("the keys of %s (-there +explained):\n%s", name, d)
		}
	}
}

func keysOf(t reflect.Type, prefix string) (out []string) {
	for key, i := range fieldsOf(t) {
		if field := t.Field(i).Type; field.Kind() == reflect.Struct {
			out = append(out, keysOf(field, prefix+key+".")...)
			continue
		}
		out = append(out, prefix+key)
	}
	return out
}

// TestCommentedFilesAreReadBack: what is set comes back, what is not set is
// nowhere but in a comment, and each example is one that could be used.
func TestCommentedFilesAreReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := AgentConfig{
		Fleet: "shop", Node: "n1", Address: "10.0.0.11", Bind: []string{"10.0.0.11", "127.0.0.1"}, Zone: "a \"b\" \\ \x01é",
		Priority: 7, Labels: map[string]string{"rack": "12", "b c": "d"}, Consul: ConsulConfig{Address: "127.0.0.1:8501", TokenFile: token},
	}
	path := filepath.Join(dir, "agent.toml")
	write(t, path, CommentedAgent(agent))
	got, err := ReadAgent(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(agent.WithDefaults(), got); d != "" {
		t.Errorf("the agent's file (-written +read):\n%s", d)
	}
	coordinator := CoordinatorConfig{Fleet: "shop", Name: "n1", LeaseTTL: fleet.Duration(20 * time.Second)}
	path = filepath.Join(dir, "coordinator.toml")
	write(t, path, CommentedCoordinator(coordinator))
	gotC, err := ReadCoordinator(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(coordinator.WithDefaults(), gotC); d != "" {
		t.Errorf("the coordinator's file (-written +read):\n%s", d)
	}
	for name, text := range map[string]string{"agent": CommentedAgent(AgentConfig{}), "coordinator": CommentedCoordinator(CoordinatorConfig{})} {
		set := map[string]any{}
		if _, err := toml.Decode(strings.ReplaceAll(text, "\n[consul]", ""), &set); err != nil || len(set) > 0 {
			t.Errorf("the empty file of the %s sets %v (%v)", name, set, err)
		}
	}
}

// TestExamplesCanBeUsed: uncommented, the examples are a file that is read.
func TestExamplesCanBeUsed(t *testing.T) {
	t.Parallel()
	text := CommentedAgent(AgentConfig{})
	for _, n := range agentNotes() {
		_, name, found := strings.Cut(n.key, ".")
		if !found {
			name = n.key
		}
		text = strings.ReplaceAll(text, "\n# "+name+" = ", "\n"+name+" = ")
	}
	text = strings.ReplaceAll(text, "# [labels]\n# rack", "[labels]\nrack")
	var c AgentConfig
	f, err := parse("agent.toml", []byte(text), &c)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.problems) > 0 || c.Labels["rack"] != "12" || c.Consul.Address == "" || c.Priority == 0 {
		t.Errorf("problems %v in:\n%s", f.problems, text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
