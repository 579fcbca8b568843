package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// generate finds every mutant and gives the switched files by their names below
// the module's root.
func generate(root string, all []target) ([]*mutant, map[string][]byte, error) {
	var mutants []*mutant
	files := map[string][]byte{}
	next := 0
	for i := range all {
		t := &all[i]
		names, err := t.sources(root)
		if err != nil {
			return nil, nil, err
		}
		pkg := ""
		for _, name := range names {
			found, code, p, err := mutateFile(root, name, &next)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, m := range found {
				m.target = t
			}
			mutants, files[name], pkg = append(mutants, found...), code, p
		}
		files[path.Join(t.dir, "zz_mutants.go")] = []byte("package " + pkg + "\n" + switchCode)
	}
	return mutants, files, nil
}

// sources are the files of a target, without tests and generated ones.
func (t *target) sources(root string) ([]string, error) {
	var out []string
	for _, f := range t.files {
		out = append(out, path.Join(t.dir, f))
	}
	if len(out) > 0 {
		return out, nil
	}
	entries, err := os.ReadDir(filepath.Join(root, t.dir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasSuffix(n, ".go") && !strings.HasSuffix(n, "_test.go") {
			out = append(out, path.Join(t.dir, n))
		}
	}
	return out, nil
}

func mutateFile(root, name string, next *int) (found []*mutant, code []byte, pkg string, err error) {
	fset := token.NewFileSet()
	// Comments would be printed at the wrong places, and none of them counts here.
	f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, "", err
	}
	m := &mutator{fset: fset, file: name, next: next, seen: map[string]int{}}
	if err := m.rewrite(f); err != nil {
		return nil, nil, "", err
	}
	var out bytes.Buffer
	if err := format.Node(&out, token.NewFileSet(), f); err != nil {
		return nil, nil, "", err
	}
	return m.mutants, out.Bytes(), f.Name.Name, nil
}

// writeOverlay puts the switched files beside the real ones, for go's -overlay.
func writeOverlay(temp, root string, files map[string][]byte) (string, error) {
	replace := map[string]string{}
	for name, code := range files {
		to := filepath.Join(temp, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(to, code, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(temp, "overlay.json")
	return file, os.WriteFile(file, b, 0o600)
}

// choose takes one part of the mutants, spread over all packages.
func choose(all []*mutant, share, only string) ([]*mutant, error) {
	var part, of int
	if _, err := fmt.Sscanf(share, "%d/%d", &part, &of); err != nil || part < 1 || part > of {
		return nil, fmt.Errorf("the share %q is no part of a whole, as 3/10", share)
	}
	var out []*mutant
	for i, m := range all {
		if i%of == part-1 && strings.Contains(m.name, only) && len(m.target.depths) > 0 {
			out = append(out, m)
		}
	}
	return slices.Clip(out), nil
}
