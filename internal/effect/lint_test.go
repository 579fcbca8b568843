package effect_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// effects are the calls that change the world, by the name after the last dot.
// A call of one of them in the agent or the coordinator must stand inside of a
// function that is handed to a Runner's Do.
func effects() map[string]string {
	return map[string]string{
		// files
		"os.MkdirAll": "file", "os.Mkdir": "file", "os.WriteFile": "file", "os.Remove": "file", "os.RemoveAll": "file",
		"os.Rename": "file", "os.Create": "file", "os.OpenFile": "file", "os.Chmod": "file", "os.Symlink": "file",
		"renameio.WriteFile": "file", "renameio.Symlink": "file", "safefile.Write": "file",
		// the agent's memory
		"SaveNode": "state", "SaveGoal": "state", "SaveSecret": "state", "UpdateInstance": "state", "ClearDown": "state", "NoteDown": "state", "systemd.TakeOut": "process", "systemd.PutBack": "process", "SaveSession": "state", "Keep": "state",
		// processes
		"Starter.Start": "process", "units.Start": "process", "Starter.Stop": "process", "Starter.Retire": "process", "exec.Command": "process", "exec.CommandContext": "process", "runTool": "process",
		// Redis
		"ConfigRewrite": "redis", "ConfigSet": "redis", "Redis.Set": "redis", "Redis.Del": "redis", "ReplicaOf": "redis",
		"Shutdown": "redis", "PauseWrites": "redis", "Unpause": "redis", "EndClients": "redis", "Failover": "redis", "AskFailover": "redis", "Sentinel.Hello": "redis", "Sentinel.Reset": "redis", "SetQuorum": "redis", "tryWrite": "redis",
		// Consul
		"Txn": "consul", "Acquire": "consul", "Client.Release": "consul", "CreateSession": "consul", "DestroySession": "consul",
		"Register": "consul", "Deregister": "consul", "lease.Run": "consul", "t.txn": "consul",
	}
}

// inside are functions whose body is an effect's own doing: their callers are
// what is checked.
func inside() map[string]bool { return map[string]bool{"txn": true, "tryWrite": true, "runTool": true} }

// TestEveryEffectHasALabel finds effects outside of a label.
func TestEveryEffectHasALabel(t *testing.T) {
	found, calls := scan(t, os.DirFS("../.."), "agent", "coordinator")
	for _, f := range found {
		t.Error(f)
	}
	if calls < 20 {
		t.Errorf("only %d effects were seen under a label; the lint no longer knows what to look for", calls)
	}
	t.Logf("%d effects, each under a label", calls)
}

// TestLintFindsAPlantedEffect is the lint's own control.
func TestLintFindsAPlantedEffect(t *testing.T) {
	dir := t.TempDir()
	src := "package agent\n\nimport \"os\"\n\nfunc bad() { _ = os.Remove(\"x\") }\n" +
		"func good(e E) { e.Do(nil, \"l\", func() error { return os.Remove(\"x\") }) }\n"
	if err := os.MkdirAll(filepath.Join(dir, "agent"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent", "bad.go"), []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	found, calls := scan(t, os.DirFS(dir), "agent")
	if len(found) != 1 || !strings.Contains(found[0], "agent/bad.go:5") || calls != 1 {
		t.Errorf("found %q and %d labelled effects, want one in agent/bad.go:5 and 1", found, calls)
	}
}

// scan reads every Go file below roots, but for tests and the package that is
// the agent's memory itself.
func scan(t *testing.T, tree fs.FS, roots ...string) (found []string, labelled int) {
	t.Helper()
	for _, root := range roots {
		err := fs.WalkDir(tree, root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasPrefix(path, "agent/state/") {
				return err
			}
			src, err := fs.ReadFile(tree, path)
			if err != nil {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, src, 0)
			if err != nil {
				return err
			}
			f, n := scanFile(set, file)
			found, labelled = append(found, f...), labelled+n
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found, labelled
}

func scanFile(set *token.FileSet, file *ast.File) (found []string, labelled int) {
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil || inside()[fn.Name.Name] {
			continue
		}
		spans := labelledSpans(fn)
		ast.Inspect(fn, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, kind := effectOf(call)
			switch {
			case kind == "":
			case spans.hold(call.Pos()):
				labelled++
			default:
				found = append(found, fmt.Sprintf("%s: %s (%s) is an effect outside of a label: hand it to effects.Do", set.Position(call.Pos()), name, kind))
			}
			return true
		})
	}
	return found, labelled
}

type spans [][2]token.Pos

func (s spans) hold(p token.Pos) bool {
	for _, r := range s {
		if r[0] <= p && p < r[1] {
			return true
		}
	}
	return false
}

// labelledSpans are the arguments of calls to a method Do.
func labelledSpans(fn *ast.FuncDecl) spans {
	var out spans
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Do" && len(call.Args) == 3 {
			out = append(out, [2]token.Pos{call.Args[2].Pos(), call.Args[2].End()})
		}
		return true
	})
	return out
}

// effectOf matches a call against the list by its last name, or by its last two.
func effectOf(call *ast.CallExpr) (name, kind string) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if k, ok := effects()[owner(f.X)+"."+name]; ok {
			return owner(f.X) + "." + name, k
		}
	}
	return name, effects()[name]
}

func owner(x ast.Expr) string {
	switch v := x.(type) {
	case *ast.Ident:
		return v.Name
	case *ast.SelectorExpr:
		return v.Sel.Name
	}
	return ""
}
