package doccheck_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// TestDocsAreTrue looks at the repository's own pages.
func TestDocsAreTrue(t *testing.T) {
	root := os.DirFS("../..")
	for _, f := range slices.Concat(unknownTests(t, root), deadLinks(t, root)) {
		t.Error(f)
	}
}

// TestNoHazardIsLeftOut: docs/hazards.md has a row for each number.
func TestNoHazardIsLeftOut(t *testing.T) {
	b, err := os.ReadFile("../../docs/hazards.md")
	if err != nil {
		t.Fatal(err)
	}
	for letter, most := range map[string]int{"S": 22, "D": 8, "C": 5, "R": 8, "E": 4, "M": 6, "K": 10} {
		for i := range most {
			if row := fmt.Sprintf("\n| %s%d | ", letter, i+1); strings.Count(string(b), row) != 1 {
				t.Errorf("docs/hazards.md has %d rows for %s%d, want 1", strings.Count(string(b), row), letter, i+1)
			}
		}
	}
}

// TestWhatIsPlantedIsFound is the control of the searches above.
func TestWhatIsPlantedIsFound(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	root := fstest.MapFS{
		"README.md":   file("`TestGood` and `TestGone`, [a](docs/a.md), [b](docs/b.md#part), [c](https://example.com)"),
		"docs/a.md":   file("[back](../README.md) [here](#here) [lost](lost.md)"),
		"x/x_test.go": file("package x\n\nfunc TestGood(t *testing.T) {}\n"),
	}
	want := []string{
		"README.md names TestGone, and there is no such test",
		"README.md links to docs/b.md, which is not there",
		"docs/a.md links to docs/lost.md, which is not there",
	}
	if got := slices.Concat(unknownTests(t, root), deadLinks(t, root)); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// pages gives README.md and everything in docs.
func pages(t *testing.T, root fs.FS) map[string]string {
	t.Helper()
	names, err := fs.Glob(root, "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range append(names, "README.md") {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

func unknownTests(t *testing.T, root fs.FS) (found []string) {
	t.Helper()
	known := map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == ".git" || name == ".lab") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := fs.ReadFile(root, name)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range pages(t, root) {
		for _, name := range testName.FindAllString(text, -1) {
			if line := page + " names " + name + ", and there is no such test"; !known[name] && !slices.Contains(found, line) {
				found = append(found, line)
			}
		}
	}
	slices.Sort(found)
	return found
}

func deadLinks(t *testing.T, root fs.FS) (found []string) {
	t.Helper()
	for page, text := range pages(t, root) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			target = path.Join(path.Dir(page), target)
			if _, err := fs.Stat(root, target); err != nil {
				found = append(found, page+" links to "+target+", which is not there")
			}
		}
	}
	slices.Sort(found)
	return found
}
