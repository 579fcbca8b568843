package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/redfleet/redfleet/agent/preflight"
)

// besideFound is what the columns before the last one take: the longest name of a
// check and "ignored warning", each with two blanks.
const besideFound = 31

// Preflight writes a table of the checks and one line that sums them up. Why a
// check matters and what to do is told of warnings and errors only.
func Preflight(w io.Writer, d preflight.Document, s Style) error {
	t := newTable(s, "check", "result", "found")
	wrap(t, s.room(besideFound), 3)
	for _, c := range d.Checks {
		t.AppendRow(table.Row{c.Name, ending(c, s), c.Found})
		if c.Status != preflight.Warning && c.Status != preflight.Error {
			continue
		}
		t.AppendRow(table.Row{"", "", s.dim("why: " + c.Why)})
		if c.Do != "" {
			t.AppendRow(table.Row{"", "", "do: " + c.Do})
		}
	}
	if err := write(w, "", t); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, preflightSum(d, s))
	return err
}

func ending(c preflight.Result, s Style) string {
	switch c.Status {
	case preflight.OK:
		return s.good("ok")
	case preflight.Warning:
		return s.warn("warning")
	case preflight.Error:
		return s.bad("ERROR")
	case preflight.Ignored:
		return s.dim("ignored " + string(c.Was))
	default:
		return s.dim("not applicable")
	}
}

func preflightSum(d preflight.Document, s Style) string {
	who := strings.Trim(d.Fleet+"/"+d.Node, "/")
	if d.Spec != "" {
		who += ", by " + d.Spec
	}
	text := fmt.Sprintf("%s: %s, %s in %d checks", who, counted(d.Errors, "error"), counted(d.Warnings, "warning"), len(d.Checks))
	switch {
	case d.Errors > 0:
		return s.bad(text) + "; nothing new can be installed here"
	case d.Warnings > 0:
		return s.warn(text)
	}
	return s.good(text)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Fix writes what a fix would do, before anybody is asked whether it may.
func Fix(w io.Writer, f preflight.Fix, s Style) error {
	var b strings.Builder
	for _, file := range f.Files {
		fmt.Fprintf(&b, "%s\n", s.bold("would write "+file.Path))
		for line := range strings.Lines(file.Content) {
			b.WriteString("  " + line)
		}
	}
	b.WriteString(s.bold("would run") + "\n")
	for _, argv := range f.Commands {
		b.WriteString("  " + strings.Join(argv, " ") + "\n")
	}
	return writeLines(w, "", strings.TrimRight(b.String(), "\n"))
}
