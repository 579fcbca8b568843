// Package templates renders redis.conf and sentinel.conf. Rendering is pure:
// the same data gives the same bytes.
//
// The templates are embedded; an operator overrides one by a file of the same
// name in a folder. What an overridden template renders is checked: a directive
// that redfleet owns must come out as redfleet means it, or the render is
// refused, because a lost requirepass or masterauth shows only at the first
// failover (hazard S9).
//
// A rendered file is the seed of a first start. After it the engine rewrites
// the file, and a render goes through redisconf.Merge with MergeOwned.
package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"github.com/redfleet/redfleet/internal/redisconf"
)

// The names of the templates, in the binary and in a folder of overrides.
const (
	RedisTemplate    = "redis.conf.tmpl"
	SentinelTemplate = "sentinel.conf.tmpl"
)

//go:embed *.tmpl
var embedded embed.FS

// Set is the templates in use. It is safe for concurrent use.
type Set struct {
	redis, sentinel source
}

// source is one template and where it comes from, for error texts.
type source struct {
	tmpl *template.Template
	from string
}

// New reads the templates: those in overrideDir where it has a file of the
// name, else the embedded ones. An empty overrideDir means no overrides; a
// folder that is named and not there is an error, as is a file that cannot be
// parsed.
func New(overrideDir string) (*Set, error) {
	if overrideDir != "" {
		if info, err := os.Stat(overrideDir); err != nil {
			return nil, fmt.Errorf("folder of template overrides: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("folder of template overrides: %s is no folder", overrideDir)
		}
	}
	redis, err := load(overrideDir, RedisTemplate)
	if err != nil {
		return nil, err
	}
	sentinel, err := load(overrideDir, SentinelTemplate)
	if err != nil {
		return nil, err
	}
	return &Set{redis: redis, sentinel: sentinel}, nil
}

func load(dir, name string) (source, error) {
	text, from, err := read(dir, name)
	if err != nil {
		return source{}, err
	}
	tmpl, err := template.New(name).
		Option("missingkey=error").
		Funcs(template.FuncMap{"quote": redisconf.Quote}).
		Parse(string(text))
	if err != nil {
		return source{}, fmt.Errorf("template %s does not parse; correct it, or remove it to use the built-in one: %w", from, err)
	}
	return source{tmpl: tmpl, from: from}, nil
}

func read(dir, name string) (text []byte, from string, err error) {
	if dir != "" {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				err = fmt.Errorf("template override: %w", err)
			}
			return text, path, err
		}
	}
	text, err = embedded.ReadFile(name)
	return text, name + " (built in)", err
}

// Redis renders redis.conf. It refuses data that cannot make a working server,
// settings that redfleet owns, and a template that loses an owned directive.
// No error text holds a password.
func (s *Set) Redis(d RedisData) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("redis.conf: %w", err)
	}
	return s.redis.render(d, d.wants(), redisOwned)
}

// Sentinel renders sentinel.conf; see Redis.
func (s *Set) Sentinel(d SentinelData) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("sentinel.conf: %w", err)
	}
	return s.sentinel.render(d, d.wants(), sentinelOwned)
}

func (s source) render(data any, wants []want, owned func(string) bool) ([]byte, error) {
	var b bytes.Buffer
	if err := s.tmpl.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("template %s: %w", s.from, err)
	}
	file, err := redisconf.Parse(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("template %s renders a file that the engine cannot read: %w", s.from, err)
	}
	if err := verify(file, wants, owned); err != nil {
		return nil, fmt.Errorf("template %s: %w", s.from, err)
	}
	return b.Bytes(), nil
}
