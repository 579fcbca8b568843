package machinetest

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// TestEveryPackageLooksForLeftovers: a package with tests on machines compares the
// host before and after, all of it. Long tests without machines share the build tag
// and lie elsewhere.
func TestEveryPackageLooksForLeftovers(t *testing.T) {
	root := os.DirFS(moduleRoot(t))
	looks := map[string]bool{} // by package
	err := fs.WalkDir(root, "e2e", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, file)
		if err != nil || !strings.HasPrefix(string(text), "//go:build e2e\n") {
			return err
		}
		main := strings.Contains(string(text), "os.Exit(machinetest.Main(m))") || strings.Contains(string(text), "os.Exit(NothingLeft(m.Run, os.Stderr))")
		looks[path.Dir(file)] = looks[path.Dir(file)] || main
		return nil
	})
	check(t, err)
	for dir, does := range looks {
		if !does {
			t.Errorf("%s has tests on machines and no TestMain with os.Exit(machinetest.Main(m))", dir)
		}
	}
	if len(looks) < 8 {
		t.Errorf("only %d packages with tests on machines were found: the test looks at the wrong folder", len(looks))
	}
}
