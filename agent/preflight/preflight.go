// Package preflight checks a machine before redfleet installs anything on it:
// the engine, ports, the kernel's settings, memory, disk, clocks, names, Consul,
// and what another installation left behind.
//
// Each check has a name, gathers its own facts, and judges them in a pure
// function. All checks run, side by side, each with a deadline, whatever the
// others find. They only look: no file, process, key or setting is changed, and
// a port is held for no longer than it takes to see that it is free. Files of
// /proc, /sys and /etc are read below Input.Root, so a folder can stand in for a
// machine.
package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Status is how a check ended.
type Status string

// The ends of a check.
const (
	// OK: it is as it should be.
	OK Status = "ok"
	// Warning: it works, and will hurt some day; or it could not be found out.
	Warning Status = "warning"
	// Error: it will not work. Nothing new is installed.
	Error Status = "error"
	// Ignored: a warning or an error that the operator has set aside by name.
	Ignored Status = "ignored"
	// NotApplicable: nothing here depends on it.
	NotApplicable Status = "not-applicable"
)

// checkTimeout bounds each check; all run side by side.
const checkTimeout = 6 * time.Second

// Finding is what a check saw.
type Finding struct {
	Status Status
	// Found says what was seen, Do what to do about it; Do is empty where there
	// is nothing to do.
	Found, Do string
}

// Result is one check with what it saw. The JSON is documented and stable.
type Result struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Was is the status of an ignored check without that.
	Was   Status `json:"was,omitempty"`
	Found string `json:"found"`
	// Why says what goes wrong otherwise.
	Why string `json:"why"`
	Do  string `json:"do,omitempty"`
}

// Document is a machine's preflight. OK: no check is an error.
type Document struct {
	OK       bool     `json:"ok"`
	Fleet    string   `json:"fleet"`
	Node     string   `json:"node"`
	Spec     string   `json:"spec"`
	Errors   int      `json:"errors"`
	Warnings int      `json:"warnings"`
	Checks   []Result `json:"checks"`
}

// check is one named check.
type check struct {
	name string
	why  string
	run  func(ctx context.Context, in *Input) Finding
}

// by joins the two halves of a check. What cannot be gathered is a warning: it
// proves nothing, and must not pass for good.
func by[F any](gather func(context.Context, *Input) (F, error), judge func(*Input, F) Finding) func(context.Context, *Input) Finding {
	return func(ctx context.Context, in *Input) Finding {
		facts, err := gather(ctx, in)
		switch {
		case ctx.Err() != nil:
			return Finding{Status: Warning, Found: fmt.Sprintf("not found out within %v", checkTimeout),
				Do: "run redfleet preflight again; where that happens again, see what keeps the machine waiting"}
		case err != nil:
			return Finding{Status: Warning, Found: "not found out: " + err.Error(), Do: "run it as root, on the machine itself"}
		}
		return judge(in, facts)
	}
}

// Names are the names of all checks, in the order of a Document.
func Names() []string {
	all := checks()
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names
}

// CheckNames refuses names that are no check's, with the nearest one that is.
func CheckNames(names []string) error {
	for _, name := range names {
		if slices.Contains(Names(), name) {
			continue
		}
		hint := ""
		if near, ok := fleet.Nearest(name, Names()); ok {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("unknown check %q%s; known are %s", name, hint, strings.Join(Names(), ", "))
	}
	return nil
}

// Run runs all checks and returns when the last one has ended, at most a moment
// after their deadline. Names in ignore turn warnings and errors into Ignored; the
// caller has seen to it that they are known.
func Run(ctx context.Context, in *Input, ignore []string) Document {
	all := checks()
	results := make([]Result, len(all))
	var wait sync.WaitGroup
	for i, c := range all {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout+in.Listen)
			defer cancel()
			f := c.run(ctx, in)
			results[i] = Result{Name: c.name, Status: f.Status, Found: f.Found, Why: c.why, Do: f.Do}
		})
	}
	wait.Wait()
	return document(in, results, ignore)
}

func document(in *Input, results []Result, ignore []string) Document {
	d := Document{OK: true, Fleet: in.Config.Fleet, Node: in.Config.Node, Spec: in.Plan.Source, Checks: results}
	for i := range results {
		r := &results[i]
		if slices.Contains(ignore, r.Name) && (r.Status == Warning || r.Status == Error) {
			r.Was, r.Status = r.Status, Ignored
		}
		switch r.Status {
		case Error:
			d.OK = false
			d.Errors++
		case Warning:
			d.Warnings++
		}
	}
	return d
}

// ok, warn and fail are the usual findings.
func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Found: fmt.Sprintf(format, args...)}
}

func none(format string, args ...any) Finding {
	return Finding{Status: NotApplicable, Found: fmt.Sprintf(format, args...)}
}

func warn(do, format string, args ...any) Finding {
	return Finding{Status: Warning, Found: fmt.Sprintf(format, args...), Do: do}
}

func fail(do, format string, args ...any) Finding {
	return Finding{Status: Error, Found: fmt.Sprintf(format, args...), Do: do}
}
