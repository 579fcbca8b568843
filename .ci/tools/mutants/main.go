// Mutants changes the product's guards one at a time and looks whether a test
// notices. A mutant is one small change: a condition negated, a bound moved, a
// write unfenced, an order swapped, a step left out. They are generated from the
// source, none is picked by hand.
//
// All mutants are compiled into the tests at once, each behind a number, and a
// run of the tests switches on one of them. So a mutant costs a run of tests and
// no build.
//
//	mutants                  every mutant, through each depth until a test fails
//	mutants -share 3/10      every tenth of them, from the third on
//	mutants -only TEXT       those whose name holds the text
//	mutants -list            their names, without a run
//	mutants -depth sim       by the tests of this depth alone: which depth sees what
//
// A mutant that no test notices is missed, and the run fails, unless the list of
// equivalent ones says why nobody could notice it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the module's `folder`")
	flag.StringVar(&o.share, "share", "1/1", "which `part` of the mutants, as 3/10")
	flag.StringVar(&o.only, "only", "", "only mutants whose name holds this `text`")
	flag.StringVar(&o.report, "report", "", "`file` for one line for each mutant: what caught it, at which depth")
	flag.StringVar(&o.depth, "depth", "", "only the tests of this `depth`: unit, near or sim")
	flag.BoolVar(&o.list, "list", false, "print the mutants' names and run nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	root, share, only, report, depth string
	list                             bool
}

func run(ctx context.Context, o options) error {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	return runTargets(ctx, os.Stdout, o, root, targets())
}

// runTargets does what the options say with the mutants of some targets.
func runTargets(ctx context.Context, w io.Writer, o options, root string, all []target) error {
	all, err := atDepth(all, o.depth)
	if err != nil {
		return err
	}
	mutants, files, err := generate(root, all)
	if err != nil {
		return err
	}
	equivalent, err := readEquivalent(filepath.Join(root, ".ci", "mutants.equivalent"))
	if err != nil {
		return err
	}
	if err := equivalent.exist(mutants); err != nil {
		return err
	}
	chosen, err := choose(mutants, o.share, o.only)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(w, m.name)
		}
		return nil
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	overlay, err := writeOverlay(temp, root, files)
	if err != nil {
		return err
	}
	r := &runner{root: root, temp: temp, overlay: overlay}
	outcomes, err := r.all(ctx, chosen, equivalent)
	if err != nil {
		return err
	}
	if err := writeReport(o.report, outcomes); err != nil {
		return err
	}
	if err := summary(w, outcomes); o.depth == "" {
		return err
	}
	return nil // another depth may see what this one does not
}

var errMissed = errors.New("a mutant was missed: a test is missing, or the guard does nothing")
