// Testlist holds a run of the tests to the committed list of them: a test that
// is missing, was skipped, or is not in the list makes it fail. So a test cannot
// get lost by a build tag, a skip or a renamed folder.
//
//	go test -json ./... | testlist -check LIST   show the run, compare, exit 1 on a difference
//	go test -json -list . ./... | testlist -print   the list of what there is
//	… | testlist -e2e [-check LIST]   show a run of tests on machines, its figures and how many cases ran
//
// A line of the list is a package below the module and a top-level test.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	list := flag.String("check", "", "compare the run on stdin with this `list`")
	printing := flag.Bool("print", false, "print the tests that `go test -json -list` on stdin names")
	module := flag.String("module", "", "the module's `path`, left out of the packages' names")
	e2e := flag.Bool("e2e", false, "the run is of tests on machines: show their figures and count the cases; a list is not needed")
	renew := flag.String("renew", "make tests-list", "the `command` that renews the list")
	flag.Parse()

	var err error
	switch {
	case *printing:
		err = printList(os.Stdin, os.Stdout, *module)
	case *e2e:
		err = checkE2E(os.Stdin, os.Stdout, *module, *list, *renew)
	case *list != "":
		err = check(os.Stdin, os.Stdout, *module, *list, *renew)
	default:
		err = fmt.Errorf("say -check LIST or -print")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds, at the end of a test or package
}

// events calls f for each event. A line that is none, as the go command writes
// when it cannot start at all, goes to other.
func events(in io.Reader, other io.Writer, f func(event)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintf(other, "%s\n", lines.Bytes())
			continue
		}
		f(e)
	}
	return lines.Err()
}

// short leaves the module's name out of a package's.
func short(module, pkg string) string {
	if pkg == module {
		return "."
	}
	return strings.TrimPrefix(pkg, module+"/")
}

func check(in io.Reader, out io.Writer, module, list, renew string) error {
	r := newRun(out, module)
	if err := events(in, out, r.take); err != nil {
		return fmt.Errorf("reading the output of go test -json: %w", err)
	}
	return r.against(list, renew)
}
