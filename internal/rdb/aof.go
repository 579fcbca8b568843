package rdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/safefile"
)

// inspectAOF looks at the append-only files: the folder of Redis 7.0 and later,
// and the single file of older ones, which 7.0 takes over at its first start.
func (f *Files) inspectAOF(dir string, names Names) error {
	if err := f.inspectOne(filepath.Join(dir, names.AOF)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	folder := filepath.Join(dir, names.AOFDir)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	current, err := readManifest(filepath.Join(folder, names.AOF+".manifest"))
	if err != nil {
		return f.withoutManifest(folder, entries, err)
	}
	f.AOFExists = f.AOFExists || len(current) > 0
	for _, name := range current {
		err := f.inspectOne(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			f.AOF = true
			f.problem(fmt.Errorf("%s: the manifest of the AOF names it and it is gone", name))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// withoutManifest takes every file for part of the AOF.
func (f *Files) withoutManifest(folder string, entries []fs.DirEntry, cause error) error {
	if !errors.Is(cause, fs.ErrNotExist) && !errors.Is(cause, ErrCorrupt) {
		return cause
	}
	f.AOFExists = true
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".manifest") {
			continue
		}
		if err := f.inspectOne(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	if f.AOF || errors.Is(cause, ErrCorrupt) {
		f.AOF = true
		f.problem(cause)
	}
	return nil
}

// inspectOne looks at one file of an AOF: an empty one is no data, and neither
// is a base in RDB format without a key.
func (f *Files) inspectOne(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f.AOFExists = true
	if info.Size() == 0 {
		return nil
	}
	aux, err := ReadAux(path)
	switch {
	case err == nil && aux.Empty && aux.Complete && info.Size() <= maxString:
		return nil
	case err != nil && !errors.Is(err, ErrCorrupt): // commands, not RDB
		return err
	}
	f.AOF = true
	f.AOFTime = later(f.AOFTime, info.ModTime())
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// readManifest gives the files that the server would load: the base and the
// increments, not the history (lines "file NAME seq N type b|i|h").
func readManifest(path string) ([]string, error) {
	text, err := safefile.Read(path)
	if err != nil {
		return nil, err
	}
	var current []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		fields, err := redisconf.Split(line)
		if err != nil || len(fields)%2 != 0 {
			return nil, fmt.Errorf("%s: %w", path, ErrCorrupt)
		}
		values := map[string]string{}
		for i := 0; i < len(fields); i += 2 {
			values[fields[i]] = fields[i+1]
		}
		name, kind := values["file"], values["type"]
		if name == "" || name != filepath.Base(name) || !strings.Contains("bih", kind) || len(kind) != 1 {
			return nil, fmt.Errorf("%s: %w", path, ErrCorrupt)
		}
		if kind != "h" {
			current = append(current, name)
		}
	}
	if len(current) == 0 {
		return nil, fmt.Errorf("%s: %w: it names no file", path, ErrCorrupt)
	}
	return current, nil
}
