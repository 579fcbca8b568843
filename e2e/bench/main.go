// Command bench measures redfleet on this machine, beside the same thing done by
// hand where there is one (e2e/byhand):
//
//	bench bringup     from nothing to a verified group, and a failover
//	bench crash       the master's process is killed: failover on evidence, a restart
//	                  that fails, and plain Sentinel, side by side
//	bench footprint   what an agent at rest costs
//
// It runs the built bin/redfleet, starts a real Consul of its own, and leaves
// nothing behind: every process is ended by its pid and every folder removed,
// after an interrupt or a failure too. Figures go to stdout, one line each;
// progress goes to stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: bench bringup [--nodes 3,5] [--rounds 5] [--plain-rounds 3] [--failover-rounds 20] [--redfleet bin/redfleet]
       bench crash [--rounds 20] [--redfleet bin/redfleet]
       bench footprint [--window 2m] [--redfleet bin/redfleet]`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	binary := flags.String("redfleet", "bin/redfleet", "the binary to measure")
	switch args[0] {
	case "bringup":
		nodes := flags.String("nodes", "3,5", "the sizes of the group")
		rounds := flags.Int("rounds", 5, "rounds of redfleet and of the seeded run by hand")
		plain := flags.Int("plain-rounds", 3, "rounds of the plain run by hand, which takes 10 s")
		failovers := flags.Int("failover-rounds", 20, "rounds of the failover on either side; 0 for none")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		sizes, err := parseSizes(*nodes)
		if err != nil {
			return err
		}
		return withMachine(ctx, *binary, func(m *machine) error {
			if err := benchBringup(ctx, m, sizes, *rounds, min(*plain, *rounds)); err != nil {
				return err
			}
			return benchFailover(ctx, m, *failovers)
		})
	case "crash":
		rounds := flags.Int("rounds", 20, "how often each master is killed")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return withMachine(ctx, *binary, func(m *machine) error { return benchCrash(ctx, m, *rounds) })
	case "footprint":
		window := flags.Duration("window", 2*time.Minute, "how long to look")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return withMachine(ctx, *binary, func(m *machine) error { return benchFootprint(ctx, m, *window) })
	}
	return errors.New(usage)
}

func parseSizes(list string) ([]int, error) {
	var sizes []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 3 || n > 9 {
			return nil, fmt.Errorf("--nodes %s: each size is a number from 3 to 9", list)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// machine is what every bench works with.
type machine struct {
	redfleet string // the binary, absolute
	scripts  string // e2e/byhand, absolute
	temp     string // a folder of our own
	consul   *consulAgent
}

// withMachine prepares all, calls f, and cleans up whatever happens. What still
// runs from the temporary folder at the end is ended too: it can only be ours.
func withMachine(ctx context.Context, binary string, f func(*machine) error) (err error) {
	m := &machine{}
	if m.redfleet, err = filepath.Abs(binary); err != nil {
		return err
	}
	if _, err := os.Stat(m.redfleet); err != nil {
		return fmt.Errorf("%w: build it first: make build", err)
	}
	if m.scripts, err = filepath.Abs("e2e/byhand"); err != nil {
		return err
	}
	if _, err := os.Stat(m.scripts); err != nil {
		return fmt.Errorf("%w: run this at the root of the repository", err)
	}
	if m.temp, err = os.MkdirTemp("", "redfleet-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endAllUnder(m.temp), os.RemoveAll(m.temp)) }()
	if m.consul, err = startConsul(ctx, filepath.Join(m.temp, "consul")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.consul.stop()) }()
	return f(m)
}

// progress tells the person at the terminal what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
