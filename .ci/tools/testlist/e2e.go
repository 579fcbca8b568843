package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A line that a test prints with one of these at its beginning is shown at the end
// of the run: figures, which get the number of the test's cases, and tables.
const (
	figurePrefix        = "e2e nodes="
	vagrantFigurePrefix = "vagrant nodes="
	tablePrefix         = "|"
)

func isFigure(line string) bool {
	return strings.HasPrefix(line, figurePrefix) || strings.HasPrefix(line, vagrantFigurePrefix)
}

// e2eRun follows a run of tests on machines. It shows each case when it ends: one
// takes long enough for somebody to wait for it.
type e2eRun struct {
	*run
	// cases are the tests and subtests that ended and have no subtests.
	cases   map[string]bool
	figures []figure
	table   []string
	seconds float64
}

// figure is a line, and the top-level test that printed it.
type figure struct{ test, line string }

// checkE2E shows the run. Without a list it fails when a test failed, was skipped,
// or none ran.
func checkE2E(in io.Reader, out io.Writer, module, list, renew string) error {
	r := &e2eRun{run: newRun(out, module), cases: map[string]bool{}}
	if err := events(in, out, r.take); err != nil {
		return fmt.Errorf("reading the tests' output: %w", err)
	}
	r.print()
	if list != "" {
		return r.against(list, renew)
	}
	problems := slices.DeleteFunc(r.compare(r.ran), func(p string) bool { return strings.HasPrefix(p, "missing") })
	if len(r.cases) == 0 {
		problems = append(problems, "no test ran")
	}
	if len(problems) > 0 {
		return errors.New("\n" + strings.Join(problems, "\n"))
	}
	return nil
}

func (r *e2eRun) take(e event) {
	r.run.take(e)
	switch {
	case e.Action == "output" && isFigure(e.Output):
		r.figures = append(r.figures, figure{e.Package + " " + top(e.Test), strings.TrimSpace(e.Output)})
	case e.Action == "output" && strings.HasPrefix(e.Output, tablePrefix):
		r.table = append(r.table, strings.TrimSpace(e.Output))
	case e.Action != "pass" && e.Action != "fail" && e.Action != "skip":
	case e.Test == "":
		r.seconds += e.Elapsed
		fmt.Fprintf(r.out, "%-4s  %s  %.1f s\n", e.Action, short(r.module, e.Package), e.Elapsed)
	default:
		r.endCase(e)
	}
}

func (r *e2eRun) endCase(e event) {
	name := e.Package + " " + e.Test
	for other := range r.cases {
		if strings.HasPrefix(other, name+"/") { // its cases were counted
			return
		}
	}
	r.cases[name] = true
	fmt.Fprintf(r.out, "      %s  %s %s  %.1f s\n", e.Action, short(r.module, e.Package), e.Test, e.Elapsed)
}

// print writes the tables, the figures, each with the number of cases of its test, and what ran
// in all.
func (r *e2eRun) print() {
	for _, line := range r.table {
		fmt.Fprintln(r.out, line)
	}
	for _, f := range r.figures {
		count := 0
		for name := range r.cases {
			if name == f.test || strings.HasPrefix(name, f.test+"/") {
				count++
			}
		}
		fmt.Fprintf(r.out, "%s cases=%d\n", f.line, count)
	}
	fmt.Fprintf(r.out, "e2e total packages=%d tests=%d cases=%d seconds=%.0f\n", r.packages(), len(r.ran), len(r.cases), r.seconds)
}
