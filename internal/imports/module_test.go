package imports

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// modulePath is the module's name, the beginning of its own import paths.
const modulePath = "github.com/redfleet/redfleet"

// pkg is what the rules look at in one package: its shipped files, so without
// _test.go files and without regard to build tags.
type pkg struct {
	// dir is the folder below the module's root, with slashes.
	dir   string
	files int
	// own are the folders of the module's own packages that it imports, others
	// the import paths of the rest; each with the place of one import.
	own, others map[string]string
	// clock are the places where it reads or waits for the clock.
	clock []string
}

// module is every package by its folder.
type module map[string]*pkg

// readModule parses all Go files of the module in root. Folders that the go
// command passes over (testdata, vendor, and names that begin with a dot or an
// underscore) are passed over here too.
func readModule(root fs.FS) (module, error) {
	m := module{}
	err := fs.WalkDir(root, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if passOver(root, file) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		return m.add(root, file)
	})
	return m, err
}

func passOver(root fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	name := path.Base(dir)
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil // a module of its own
}

func (m module) add(root fs.FS, file string) error {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(file)
	p := m[dir]
	if p == nil {
		p = &pkg{dir: dir, own: map[string]string{}, others: map[string]string{}}
		m[dir] = p
	}
	p.files++
	for _, spec := range parsed.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", set.Position(spec.Pos()), err)
		}
		at := set.Position(spec.Pos()).String()
		if own, ok := strings.CutPrefix(target, modulePath+"/"); ok {
			p.own[own] = at
		} else {
			p.others[target] = at
		}
	}
	p.clock = append(p.clock, clockUses(set, parsed)...)
	return nil
}

// clockUses finds the calls of package time that depend on the present.
func clockUses(set *token.FileSet, file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if name, ok := selector.X.(*ast.Ident); !ok || name.Name != "time" {
			return true
		}
		switch selector.Sel.Name {
		case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
			at := set.Position(selector.Pos()).String()
			found = append(found, at+": time."+selector.Sel.Name)
		}
		return true
	})
	return found
}

// moduleRoot is the folder of go.mod above this one.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above this folder")
		}
		dir = parent
	}
}
