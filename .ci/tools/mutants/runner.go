package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// runner builds each test binary once, when it is first asked for, and runs it once
// for each mutant.
type runner struct {
	root, temp, overlay string
	mu                  sync.Mutex
	shelf               map[string]func() (built, error)
}

// outcome is what became of a mutant.
type outcome struct {
	*mutant
	// depth and test caught it; empty where none did.
	depth, test string
	// equivalent says why nobody could notice it.
	equivalent string
}

// built is a test binary with the time that it takes without a mutant.
type built struct {
	binary string
	took   time.Duration
	// args keep it from writing what it found into the source tree.
	args []string
}

// limit is what one run may take before its mutant counts as caught: a loop that
// does not end is noticed too.
func (b built) limit() time.Duration { return 5*time.Second + 5*b.took }

func (r *runner) all(ctx context.Context, mutants []*mutant, equivalent equivalents) ([]outcome, error) {
	outcomes := make([]outcome, len(mutants))
	jobs := make(chan int)
	errs := make(chan error, runtime.NumCPU())
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range jobs {
				var err error
				outcomes[i] = outcome{mutant: mutants[i], equivalent: equivalent[mutants[i].name]}
				if outcomes[i].equivalent == "" {
					outcomes[i], err = r.one(ctx, mutants[i])
				}
				if err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range mutants {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return outcomes, ctx.Err()
	}
}

// binary gives the tests of a depth, built when first needed.
func (r *runner) binary(ctx context.Context, d depth) (built, error) {
	r.mu.Lock()
	if r.shelf == nil {
		r.shelf = map[string]func() (built, error){}
	}
	get, ok := r.shelf[d.key()]
	if !ok {
		to := filepath.Join(r.temp, fmt.Sprintf("%d.test", len(r.shelf)))
		get = sync.OnceValues(func() (built, error) { return r.build(ctx, d, to) })
		r.shelf[d.key()] = get
	}
	r.mu.Unlock()
	return get()
}

// build makes a binary and sees that its tests pass without a mutant: one that
// fails anyhow would catch everything.
func (r *runner) build(ctx context.Context, d depth, to string) (built, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", r.overlay, "-o", to, "./"+d.dir)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return built{}, fmt.Errorf("building the mutants of %s: %w\n%s", d.dir, err, out)
	}
	b := built{binary: to, took: time.Minute}
	if exec.CommandContext(ctx, to, "-rapid.nofailfile", "-test.list=^$").Run() == nil {
		b.args = []string{"-rapid.nofailfile"}
	}
	began := time.Now()
	if test, err := r.run(ctx, b, d, 0); err != nil || test != "" {
		return built{}, errors.Join(err, fmt.Errorf("without any mutant %s fails in %s", test, d.dir))
	}
	b.took = time.Since(began)
	return b, nil
}

func (r *runner) one(ctx context.Context, m *mutant) (outcome, error) {
	for _, d := range m.target.depths {
		b, err := r.binary(ctx, d)
		if err != nil {
			return outcome{mutant: m}, err
		}
		test, err := r.run(ctx, b, d, m.number)
		if err != nil {
			return outcome{mutant: m}, err
		}
		if test != "" {
			return outcome{mutant: m, depth: d.name, test: d.dir + " " + test}, nil
		}
	}
	return outcome{mutant: m}, nil
}

// failedTest finds the first test that failed.
var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// run gives the test that failed; empty when all passed.
func (r *runner) run(ctx context.Context, b built, d depth, number int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit()+10*time.Second)
	defer cancel()
	args := []string{"-test.failfast", "-test.timeout=" + b.limit().String(), "-test.run=" + d.run}
	args = append(append(args, b.args...), d.args...)
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Dir = filepath.Join(r.root, d.dir)
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(number))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("%s could not run: %w", b.binary, err)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", ctx.Err()
	}
	if found := failedTest.FindSubmatch(out.Bytes()); found != nil {
		return string(found[1]), nil
	}
	return "(a panic or a hang)", nil
}
