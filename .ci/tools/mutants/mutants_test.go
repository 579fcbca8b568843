package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guards is a package with one guard of each kind.
const guards = `package guard

// Starts: never without a majority, and never empty.
func Starts(votes, total int, empty bool) string {
	if empty {
		return "held: empty"
	}
	if 2*votes <= total {
		return "held: no majority"
	}
	return "starts"
}

// State has two cases that exclude each other.
func State(n int) string {
	switch {
	case n < 0:
		return "below"
	case n > 0:
		return "above"
	}
	return "zero"
}
`

const header = `package guard

import "testing"

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestState(t *testing.T) {
	want(t, State(-1), "below")
	want(t, State(0), "zero")
	want(t, State(1), "above")
}
`

const (
	// weak runs every line and asks at no bound.
	weak = header + `
func TestStarts(t *testing.T) {
	want(t, Starts(1, 3, false), "held: no majority")
	want(t, Starts(2, 3, false), "starts")
	want(t, Starts(2, 3, true), "held: empty")
}
`
	strong = weak + `
func TestHalfIsNoMajority(t *testing.T) { want(t, Starts(1, 2, false), "held: no majority") }

func TestEmptyComesFirst(t *testing.T) { want(t, Starts(0, 3, true), "held: empty") }
`
	bad = header + `
func TestStarts(t *testing.T) { want(t, Starts(0, 0, true), "starts") }
`
	// endless does not end where the guard is broken.
	endless = strong + `
func TestEnds(t *testing.T) {
	for Starts(2, 3, false) != "starts" {
	}
}
`
)

const (
	excluded = "guard/guard.go: State: order swapped: switch { case n < 0: case n > 0: }"
	moved0   = "guard/guard.go: Starts: bound moved: 2*votes <= total"
	order    = "guard/guard.go: Starts: order swapped: empty && 2*votes <= total"
	reason   = "\tThe two exclude each other.\n"
)

// module writes a module with one guarded package and gives its folder.
func module(t *testing.T, test, equivalent string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.test/m\n\ngo 1.24\n", "guard/guard.go": guards, "guard/guard_test.go": test,
		".ci/mutants.equivalent": "# none but these\n" + equivalent,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestPlantedWeakTests: the checker itself fails where it must. A weak test misses
// mutants, which are named; the strong one catches all; what is listed as equivalent
// needs a reason and must exist.
func TestPlantedWeakTests(t *testing.T) {
	for _, c := range []struct {
		name, test, equivalent string
		o                      options
		says                   []string
		err                    string
	}{
		{"a weak test", weak, excluded + reason, options{}, []string{"missed: " + moved0 + " (line 8)\n", "missed: " + order + " (line 5)\n", "missed=2\n"}, errMissed.Error()},
		{"a strong test", strong, excluded + reason, options{}, []string{"equivalent=1 missed=0\n"}, ""},
		{"a strong test, and nothing is listed", strong, "", options{}, []string{"missed: " + excluded + " (line 17)\n", "equivalent=0 missed=1\n"}, errMissed.Error()},
		{"a mutant that does not end is caught", endless, excluded + reason, options{only: "Starts: bound"}, []string{"total=1 caught=1"}, ""},
		{"only some", weak, excluded + reason, options{only: "State"}, []string{"equivalent=1 missed=0\n"}, ""},
		{"a listed one that is gone", strong, "guard/guard.go: Gone: condition negated: x" + reason, options{}, nil, "does not exist (any more): guard/guard.go: Gone"},
		{"a listed one without a reason", strong, excluded + "\n", options{}, nil, "a mutant without a reason"},
		{"a test that fails anyhow catches nothing", bad, "", options{}, nil, "without any mutant TestStarts fails"},
		{"one depth alone tells and does not fail", weak, excluded + reason, options{depth: "unit"}, []string{"missed=2\n"}, ""},
		{"a depth that nothing has", weak, excluded + reason, options{depth: "deep"}, nil, `no tests are of the depth "deep"`},
		{"no part of a whole", weak, excluded + reason, options{share: "4/3"}, nil, `the share "4/3"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.o.share == "" {
				c.o.share = "1/1"
			}
			var out strings.Builder
			err := runTargets(t.Context(), &out, c.o, module(t, c.test, c.equivalent), []target{{dir: "guard", depths: []depth{unit("guard")}}})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if (c.err == "") != (err == nil) || !strings.Contains(text, c.err) {
				t.Errorf("error %q, want one with %q\n%s", text, c.err, &out)
			}
			for _, want := range c.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, &out)
				}
			}
		})
	}
}

// TestSharesAreTheWhole: the parts of a whole hold each mutant once.
func TestSharesAreTheWhole(t *testing.T) {
	root := module(t, strong, excluded+reason)
	names := func(share string) (out []string) {
		var b strings.Builder
		targets := []target{{dir: "guard", depths: []depth{unit("guard")}}}
		if err := runTargets(t.Context(), &b, options{share: share, list: true}, root, targets); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	}
	seen := map[string]int{}
	for _, share := range []string{"1/3", "2/3", "3/3"} {
		for _, name := range names(share) {
			seen[name]++
		}
	}
	for _, name := range names("1/1") {
		if seen[name] != 1 {
			t.Errorf("%s is in %d parts", name, seen[name])
		}
	}
}
