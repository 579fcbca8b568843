// Sim runs the simulation (internal/sim) on all cores, a process for each, and says
// what it came to:
//
//	go run ./e2e/sim --seeds 10000
//	go run ./e2e/sim --seed 123          one seed, with all that happens
//	go run ./e2e/sim --schedule file     a schedule that a failing seed printed
//	go run ./e2e/sim --bugs --seeds 2000 whether each planted bug is found
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/sim"
	"github.com/redfleet/redfleet/internal/sim/bugs"
)

const pkg = "./internal/sim"

func main() {
	seeds := flag.Int("seeds", 300, "how many seeds")
	first := flag.Uint64("first", 1, "the first of them")
	known := flag.String("known", "", "seeds that break a promise and are not mended: they are printed and counted, and do not fail the run; as 1,2")
	seed := flag.Uint64("seed", 0, "this one alone, with all that happens")
	schedule := flag.String("schedule", "", "this schedule alone, with all that happens")
	withBugs := flag.Bool("bugs", false, "plant each bug and look for it")
	only := flag.String("only", "", "with --bugs: those whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *seed != 0 || *schedule != "":
		err = replay(*seed, *schedule)
	case *withBugs:
		err = findBugs(ctx, *only, *first, *seeds)
	default:
		err = many(ctx, *first, *seeds, strings.Split(*known, ","))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func replay(seed uint64, schedule string) error {
	args := []string{"test", pkg, "-count=1", "-run=^TestOne$", "-v", "-args", fmt.Sprintf("-sim.seed=%d", seed)}
	if schedule != "" {
		abs, err := filepath.Abs(schedule)
		if err != nil {
			return err
		}
		args = append(args, "-sim.schedule="+abs)
	}
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// build makes the test program, with an overlay where there is one.
func build(dir, overlay string) (string, error) {
	program := filepath.Join(dir, "sim.test")
	args := []string{"test", "-c", "-o", program}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	out, err := exec.Command("go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the simulation: %w\n%s", err, out)
	}
	return program, nil
}

// total is what all seeds came to.
type total struct {
	seeds, steps int
	bad          []sim.Line
	unlike       []sim.Line
	cover        *sim.Coverage
}

// search is which seeds are run.
type search struct {
	first uint64
	seeds int
	// with: only those of them whose schedules have a fault whose name begins so.
	with string
	// enough, where set, is asked of each seed that broke a promise whether the search
	// ends with it.
	enough func(sim.Line) bool
}

// runSeeds spreads seeds over processes, as many as GOMAXPROCS says. It ends early
// when ctx ends, and where one is enough; what there is by then counts.
func runSeeds(ctx context.Context, program string, s search) (total, error) {
	t := total{cover: sim.NewCoverage()}
	runs, err := os.MkdirTemp(sim.TempRoot(), "redfleet-sim-") // a process that is ended early leaves its own there
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(runs)
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed error
	workers := min(runtime.GOMAXPROCS(0), s.seeds)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for worker := range workers {
		group.Go(func() {
			err := work(ctx, program, runs, s, worker, workers, func(l sim.Line) {
				mu.Lock()
				defer mu.Unlock()
				t.seeds++
				t.steps += l.Steps
				t.cover.Add(l.Coverage)
				if l.Unlike != "" {
					t.unlike = append(t.unlike, l)
				}
				if len(l.Violations) == 0 || s.enough != nil && (ctx.Err() != nil || !s.enough(l)) {
					return
				}
				t.bad = append(t.bad, l)
				if s.enough != nil {
					stop()
				}
			})
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return t, failed
}

// work runs every workers-th seed, the worker's own, in one process, which prints a
// line of JSON for each.
func work(ctx context.Context, program, runs string, s search, worker, workers int, each func(sim.Line)) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(ctx, program, "-test.run=^TestWorker$", "-test.timeout=0", "-sim.dir="+runs, fmt.Sprintf("-sim.first=%d", s.first+uint64(worker)),
		fmt.Sprintf("-sim.every=%d", workers), fmt.Sprintf("-sim.seeds=%d", (s.seeds+workers-1)/workers), "-sim.with="+s.with)
	if s.enough != nil {
		cmd.Args = append(cmd.Args, "-sim.no-shrink")
	} else {
		cmd.Args = append(cmd.Args, "-sim.repeat=1")
	}
	// One core, and nobody interrupted in between, for runs that are the same again.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), sim.LinePrefix)
		if !ok {
			continue
		}
		l := sim.Line{}
		if err := json.Unmarshal([]byte(text), &l); err != nil && ctx.Err() == nil {
			end() // it waits for a reader
			return errors.Join(err, cmd.Wait())
		} else if err == nil { // else it was ended while it wrote
			each(l)
		}
	}
	err = errors.Join(lines.Err(), cmd.Wait())
	if ctx.Err() != nil { // it was ended
		return nil
	}
	return err
}

// many runs seeds and prints what they came to; one that is interrupted prints what
// there is.
func many(ctx context.Context, first uint64, seeds int, known []string) error {
	dir, err := os.MkdirTemp("", "redfleet-sim-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(dir, "")
	if err != nil {
		return err
	}
	began := time.Now()
	t, err := runSeeds(ctx, program, search{first: first, seeds: seeds})
	if err != nil {
		return err
	}
	fmt.Print(t.cover)
	for _, l := range t.bad {
		fmt.Printf("\nseed %d broke:\n  %s\nthe shrunk schedule, to replay with make sim SCHEDULE=file:\n%s", l.Seed, strings.Join(l.Violations, "\n  "), l.Schedule)
	}
	for _, l := range t.unlike {
		fmt.Printf("\nseed %d gave another run the second time:\n%s", l.Seed, l.Unlike)
	}
	fmt.Printf("sim seeds=%d steps=%d violations=%d seeds_per_s=%.1f\n", t.seeds, t.steps, len(t.bad), float64(t.seeds)/time.Since(began).Seconds())
	return t.judge(seeds, known)
}

// judge is everything that is wrong with a run of that many seeds, but for what the
// seeds that are named broke.
func (t total) judge(seeds int, known []string) error {
	var errs []error
	if t.seeds < seeds {
		errs = append(errs, fmt.Errorf("only %d of %d seeds were run", t.seeds, seeds))
	}
	bad := slices.DeleteFunc(slices.Clone(t.bad), func(l sim.Line) bool { return slices.Contains(known, strconv.FormatUint(l.Seed, 10)) })
	if len(bad) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d seeds broke a promise", len(bad), t.seeds))
	}
	if len(t.unlike) > 0 {
		errs = append(errs, fmt.Errorf("%d seeds gave two different runs, so a seed that fails may not fail again", len(t.unlike)))
	}
	if missing := t.cover.Missing(seeds); len(missing) > 0 {
		errs = append(errs, fmt.Errorf("never came up in %d seeds: %s", seeds, strings.Join(missing, "; ")))
	}
	return errors.Join(errs...)
}

// findBugs plants one bug after the other. A seed counts only where the code as it is
// keeps every promise with it.
func findBugs(ctx context.Context, only string, first uint64, seeds int) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "redfleet-sim-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	asItIs, err := build(dir, "")
	if err != nil {
		return err
	}
	found, all := 0, slices.DeleteFunc(bugs.All(), func(b bugs.Bug) bool { return !strings.Contains(b.Name, only) })
	for _, b := range all {
		began := time.Now()
		l, tried, err := findBug(ctx, b, root, asItIs, first, seeds)
		took := time.Since(began).Round(time.Second)
		switch {
		case ctx.Err() != nil:
			fmt.Printf("ended after %d runs, %v: %s (%s)\n", tried, took, b.Name, b.Breaks)
			return ctx.Err()
		case err != nil:
			return err
		case l == nil:
			fmt.Printf("not found up to seed %d, %d runs, %v: %s (%s)\n", first+uint64(seeds)-1, tried, took, b.Name, b.Breaks)
			continue
		}
		found++
		fmt.Printf("found at seed %d, %d runs, %v: %s: %s\n", l.Seed, tried, took, b.Name, l.Violations[0])
	}
	fmt.Printf("sim-bugs planted=%d found=%d seeds=%d\n", len(all), found, seeds)
	if found < len(all) {
		return fmt.Errorf("%d of %d bugs were not found", len(all)-found, len(all))
	}
	return nil
}

func findBug(ctx context.Context, b bugs.Bug, root, asItIs string, first uint64, seeds int) (*sim.Line, int, error) {
	dir, err := os.MkdirTemp("", "redfleet-sim-bug-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	overlay, err := b.Overlay(root, dir)
	if err != nil {
		return nil, 0, err
	}
	program, err := build(dir, overlay)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", b.Name, err)
	}
	var errs error
	t, err := runSeeds(ctx, program, search{first: first, seeds: seeds, with: b.With, enough: func(l sim.Line) bool {
		without, err := runSeeds(ctx, asItIs, search{first: l.Seed, seeds: 1, enough: func(sim.Line) bool { return true }})
		errs = errors.Join(errs, err)
		return err == nil && without.seeds > 0 && len(without.bad) == 0
	}})
	if err = errors.Join(errs, err); err != nil || len(t.bad) == 0 {
		return nil, t.seeds, err
	}
	return &t.bad[0], t.seeds, nil
}
