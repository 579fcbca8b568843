// Package speccheck finds everything that can be known to be wrong with a spec
// before anything is touched: what the file says by itself, and what the engine
// that is installed here says of its directives.
package speccheck

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// Result is what is known of a spec.
type Result struct {
	Spec     fleet.Spec
	Warnings []fleet.Problem
	// Errors keep the spec from being used.
	Errors []fleet.Problem
	// Unchecked says what could not be checked here, and why.
	Unchecked []string
}

// OK tells whether the spec can be used.
func (r Result) OK() bool { return len(r.Errors) == 0 }

// Options say where the engines are; empty means in PATH.
type Options struct{ RedisServer, ValkeyServer string }

// File checks a spec. The error is one of opening or asking; what is wrong with
// the spec is in the Result.
func File(ctx context.Context, file string, o Options) (Result, error) {
	spec, warnings, err := specfile.ReadSpec(file)
	r := Result{Spec: spec, Warnings: warnings}
	var invalid *specfile.Error
	switch {
	case errors.As(err, &invalid):
		r.Errors = invalid.Problems
		return r, nil
	case err != nil:
		return r, err
	}
	found := &engines{paths: o, known: map[string]asked{}}
	for i, g := range spec.Groups {
		r.Errors = append(r.Errors, specfile.InGroup(i, passwordProblems(g))...)
		r.askEngine(ctx, found, i, g)
	}
	r.Errors, err = specfile.Locate(file, r.Errors)
	return r, err
}

// askEngine lets the engine judge the group's directives.
func (r *Result) askEngine(ctx context.Context, found *engines, i int, g fleet.GroupSpec) {
	if len(g.Config) == 0 {
		return
	}
	e, err := found.find(ctx, g.Engine)
	if err != nil {
		r.Unchecked = append(r.Unchecked, fmt.Sprintf("the directives of group %q: %s", g.Name, err))
		return
	}
	for _, p := range specfile.InGroup(i, e.CheckDirectives(ctx, g.Config)) {
		if p.Path == fmt.Sprintf("group[%d].config", i) { // the engine could not be asked
			r.Unchecked = append(r.Unchecked, fmt.Sprintf("the directives of group %q: %s", g.Name, p.Message))
			continue
		}
		r.Errors = append(r.Errors, p)
	}
}

// passwordProblems reads a password file as apply would.
func passwordProblems(g fleet.GroupSpec) []fleet.Problem {
	if g.Password.File == "" {
		return nil
	}
	if _, err := secret.ReadPasswordFile(g.Password.File); err != nil {
		return []fleet.Problem{{Path: "password.file", Message: err.Error()}}
	}
	return nil
}

// engines finds each engine once.
type engines struct {
	paths Options
	known map[string]asked
}

type asked struct {
	engine engine.Engine
	err    error
}

func (e *engines) find(ctx context.Context, name string) (engine.Engine, error) {
	if a, ok := e.known[name]; ok {
		return a.engine, a.err
	}
	path := e.paths.RedisServer
	if name == fleet.EngineValkey {
		path = e.paths.ValkeyServer
	}
	found, err := engine.Find(ctx, name, path)
	e.known[name] = asked{found, err}
	return found, err
}
