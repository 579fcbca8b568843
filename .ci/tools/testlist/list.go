package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// entry is one line of the list: the package and the test.
type entry string

func entryOf(module, pkg, test string) entry { return entry(short(module, pkg) + " " + test) }

// isTest tells the names that `go test` runs from the other lines of -list,
// benchmarks among them.
var isTest = regexp.MustCompile(`^(Test|Fuzz|Example)\w*$`)

func printList(in io.Reader, out io.Writer, module string) error {
	var names []entry
	failed := false
	err := events(in, os.Stderr, func(e event) {
		switch e.Action {
		case "output":
			if name := strings.TrimSpace(e.Output); isTest.MatchString(name) {
				names = append(names, entryOf(module, e.Package, name))
			}
		case "build-output":
			fmt.Fprint(os.Stderr, e.Output)
		case "fail", "build-fail":
			failed = true
		}
	})
	if err != nil {
		return err
	}
	if failed {
		return fmt.Errorf("not every package builds, so the list would not be whole")
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(out, name)
	}
	return nil
}

// readList reads the committed list; empty lines and lines with # do not count.
func readList(path string) (map[entry]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the list of tests: %w", err)
	}
	want := map[entry]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		want[entry(line)] = true
	}
	return want, nil
}
