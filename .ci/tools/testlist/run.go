package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// run follows one run of the tests and shows what a person wants to see of it:
// the closing line of each package, and all output of what failed.
type run struct {
	out    io.Writer
	module string
	// ran, skipped: top-level tests; skips also by a subtest alone.
	ran     map[entry]bool
	skipped map[entry]string
	failed  map[string]bool
	// said is the output of each test, and of each package before its end.
	said map[string]*strings.Builder
}

func newRun(out io.Writer, module string) *run {
	return &run{
		out: out, module: module,
		ran: map[entry]bool{}, skipped: map[entry]string{}, failed: map[string]bool{},
		said: map[string]*strings.Builder{},
	}
}

func (r *run) take(e event) {
	switch e.Action {
	case "output":
		r.output(e)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed[e.Package] = true
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

// output keeps a test's lines until it is known how it ended. Of a package's own
// lines the closing ones are shown at once, as go test does.
func (r *run) output(e event) {
	if e.Test == "" && (strings.HasPrefix(e.Output, "ok  \t") || strings.HasPrefix(e.Output, "FAIL\t") ||
		strings.HasPrefix(e.Output, "---")) {
		fmt.Fprint(r.out, e.Output)
		return
	}
	key := e.Package + " " + top(e.Test)
	if r.said[key] == nil {
		r.said[key] = &strings.Builder{}
	}
	r.said[key].WriteString(e.Output)
}

func (r *run) endTest(e event) {
	name := entryOf(r.module, e.Package, top(e.Test))
	if e.Action == "skip" {
		r.skipped[name] = e.Test
	}
	if e.Test != top(e.Test) {
		return
	}
	r.ran[name] = true
	key := e.Package + " " + e.Test
	if e.Action == "fail" {
		r.failed[e.Package] = true
		r.show(key)
	}
	delete(r.said, key)
}

func (r *run) endPackage(e event) {
	if e.Action == "fail" {
		r.failed[e.Package] = true
		// What hung or died in a panic has no end of its own.
		for _, key := range slices.Sorted(maps.Keys(r.said)) {
			if strings.HasPrefix(key, e.Package+" ") {
				r.show(key)
			}
		}
	}
	for key := range r.said {
		if strings.HasPrefix(key, e.Package+" ") {
			delete(r.said, key)
		}
	}
}

func (r *run) show(key string) {
	if text := r.said[key]; text != nil {
		fmt.Fprint(r.out, text.String())
	}
}

func (r *run) packages() int {
	seen := map[string]bool{}
	for name := range r.ran {
		pkg, _, _ := strings.Cut(string(name), " ")
		seen[pkg] = true
	}
	return len(seen)
}

// against compares the run with the list and says so.
func (r *run) against(list, renew string) error {
	want, err := readList(list)
	if err != nil {
		return err
	}
	problems := r.compare(want)
	if len(problems) == 0 {
		fmt.Fprintf(r.out, "%d tests in %d packages ran and passed; all are in %s.\n", len(r.ran), r.packages(), list)
		return nil
	}
	return fmt.Errorf("\n%s\nWhere the list is behind the tests, renew it with: %s", strings.Join(problems, "\n"), renew)
}

// compare says what is wrong with the run, sorted, one line each.
func (r *run) compare(want map[entry]bool) []string {
	var problems []string
	for name := range want {
		if !r.ran[name] {
			problems = append(problems, fmt.Sprintf("missing:  %s is in the list and did not run", name))
		}
	}
	for name := range r.ran {
		if !want[name] {
			problems = append(problems, fmt.Sprintf("unlisted: %s ran and is not in the list", name))
		}
	}
	for name, which := range r.skipped {
		problems = append(problems, fmt.Sprintf("skipped:  %s (%s): a test that cannot run has to fail", name, which))
	}
	for pkg := range r.failed {
		problems = append(problems, "failed:   "+short(r.module, pkg))
	}
	slices.Sort(problems)
	return problems
}

// top is the top-level test that a subtest belongs to.
func top(test string) string {
	name, _, _ := strings.Cut(test, "/")
	return name
}
