package specfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Error is a file that cannot be used, with all that is wrong with it.
type Error struct {
	File string
	// Problems are in the order of the file; there is at least one.
	Problems []fleet.Problem
}

// Error gives each problem on a line of its own.
func (e *Error) Error() string {
	out := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		out[i] = Format(e.File, p)
	}
	return strings.Join(out, "\n")
}

// Format writes a problem as file:line: path: message, which editors can follow.
func Format(file string, p fleet.Problem) string {
	at := file
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", file, p.Line)
	}
	if p.Path == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Path + ": " + p.Message
}

// located puts the lines in and sorts by them.
func located(problems []fleet.Problem, at lines) []fleet.Problem {
	out := slices.Clone(problems)
	for i := range out {
		if out[i].Line == 0 {
			out[i].Line = at.of(out[i].Path)
		}
	}
	slices.SortStableFunc(out, func(a, b fleet.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return out
}

// without leaves out what only follows from a value that could not be read: a
// list of nodes with a wrong type is not also an empty one.
func without(problems []fleet.Problem, spoiled []string) []fleet.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p fleet.Problem) bool {
		return slices.ContainsFunc(spoiled, func(s string) bool {
			return p.Path == s || strings.HasPrefix(p.Path, s+".") || strings.HasPrefix(p.Path, s+"[")
		})
	})
}
