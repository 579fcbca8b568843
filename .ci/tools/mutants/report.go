package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// equivalents are mutants that no test can notice, with the reason.
type equivalents map[string]string

// readEquivalent reads lines of a mutant's name, a tab, and the reason.
func readEquivalent(file string) (equivalents, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := equivalents{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, "\t")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: a mutant without a reason: write its name, a tab, and why no test could notice it", file, n)
		}
		out[name] = reason
	}
	return out, lines.Err()
}

// exist refuses an entry whose code is gone, so that the list stays true.
func (e equivalents) exist(all []*mutant) error {
	names := map[string]bool{}
	for _, m := range all {
		names[m.name] = true
	}
	for name := range e {
		if !names[name] {
			return fmt.Errorf("the list of equivalent mutants names one that does not exist (any more): %s", name)
		}
	}
	return nil
}

func (o outcome) state() string {
	switch {
	case o.test != "":
		return "caught"
	case o.equivalent != "":
		return "equivalent"
	default:
		return "missed"
	}
}

func writeReport(file string, outcomes []outcome) error {
	if file == "" {
		return nil
	}
	var b strings.Builder
	for _, o := range outcomes {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", o.state(), cmp.Or(o.depth, "-"), cmp.Or(o.test, o.equivalent, "-"), o.name)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// summary prints a table by package and kind, the missed ones, and the line that
// counts.
func summary(w io.Writer, outcomes []outcome) error {
	counts, rows := map[string]map[string]int{}, []string{}
	total := map[string]int{}
	for _, o := range outcomes {
		row := fmt.Sprintf("%-22s %-18s", o.target.dir, o.kind)
		if counts[row] == nil {
			counts[row] = map[string]int{}
			rows = append(rows, row)
		}
		column := o.state()
		if column == "caught" {
			column = o.depth
		}
		counts[row][column]++
		total[o.state()]++
	}
	slices.Sort(rows)
	fmt.Fprintf(w, "%-22s %-18s %6s %6s %6s %11s %7s\n", "package", "kind", "unit", "near", "sim", "equivalent", "missed")
	for _, row := range rows {
		c := counts[row]
		fmt.Fprintf(w, "%s %6d %6d %6d %11d %7d\n", row, c["unit"], c["near"], c["sim"], c["equivalent"], c["missed"])
	}
	for _, o := range outcomes {
		if o.state() == "missed" {
			fmt.Fprintf(w, "missed: %s (line %d)\n", o.name, o.line)
		}
	}
	fmt.Fprintf(w, "mutants total=%d caught=%d equivalent=%d missed=%d\n", len(outcomes), total["caught"], total["equivalent"], total["missed"])
	if total["missed"] > 0 {
		return errMissed
	}
	return nil
}
