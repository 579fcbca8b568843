//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/history/record"
)

// run is one fleet under faults, with the clients that record what they see.
type run struct {
	*machinetest.Fleet
	t      *testing.T
	epoch  time.Time
	random *rand.Rand
	groups []*watched
	units  []history.Unit
	faults []history.Fault
	// snapshot is Consul's state when the groups formed, with the epoch of then.
	snapshot      []byte
	snapshotEpoch uint64
}

// watched is a group with its recorder and a connection to each of its processes.
type watched struct {
	group
	recorder  *record.Recorder
	servers   []*goredis.Client // in the order of the fleet's nodes
	sentinels []*goredis.SentinelClient
}

// start brings three machines with three groups to verified, and starts to record.
func start(ctx context.Context, t *testing.T, seed uint64) *run {
	f := machinetest.New(ctx, t, machinetest.Options{Create: func(_ string, o *machine.CreateOptions) {
		o.BlockDisks = map[string]int64{dataDir: dataDirSize}
	}})
	r := &run{Fleet: f, t: t, random: rand.New(rand.NewPCG(seed, seed))}
	f.Install(ctx, t)
	f.Join(ctx, t)
	f.Apply(ctx, t, spec())
	r.takeSnapshot(ctx)
	if why := r.await(ctx, bringUpLimit, func() string { return r.verified(ctx) }); why != "" {
		t.Fatalf("the groups do not serve: %s", why)
	}
	r.epoch = time.Now()
	for _, g := range groups() {
		r.groups = append(r.groups, r.watch(ctx, g))
	}
	return r
}

const bringUpLimit = 90 * time.Second

func (r *run) watch(ctx context.Context, g group) *watched {
	shown := r.Redfleet(ctx, r.t, r.Nodes[0], "credentials", "show", g.name)
	if shown.Code != 0 {
		r.t.Fatalf("the password of %s: %s", g.name, shown.Stderr)
	}
	password := strings.TrimRight(shown.Stdout, "\n")
	w := &watched{group: g}
	o := record.Options{Group: g.name, Durability: g.name, Servers: map[string]string{}, Password: password, Dial: r.Lab.Dial,
		Epoch: r.epoch, Writers: 1, WaitWriters: 1, WritePause: 20 * time.Millisecond, ProbePause: 50 * time.Millisecond, ReadPause: 200 * time.Millisecond}
	for _, n := range r.Nodes {
		server, sentinel := fmt.Sprintf("%s:%d", n.Address, g.port), fmt.Sprintf("%s:%d", n.Address, g.sentinel)
		o.Servers[n.Name] = server
		o.Sentinels = append(o.Sentinels, sentinel)
		options := func(address string) *goredis.Options {
			return &goredis.Options{Addr: address, Password: password, Dialer: r.Lab.Dial, Protocol: 2, DisableIdentity: true,
				DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: -1, DialerRetries: 1, PoolSize: 4, PipelinePoolSize: -1}
		}
		w.servers = append(w.servers, goredis.NewClient(options(server)))
		w.sentinels = append(w.sentinels, goredis.NewSentinelClient(options(sentinel)))
	}
	recorder, err := record.Start(context.WithoutCancel(ctx), o)
	if err != nil {
		r.t.Fatal(err)
	}
	w.recorder = recorder
	r.t.Cleanup(func() { // also where the test has failed
		recorder.Stop()
		for i := range w.servers {
			_, _ = w.servers[i].Close(), w.sentinels[i].Close()
		}
		_ = recorder.Close()
	})
	return w
}

// now is the history's time.
func (r *run) now() time.Duration { return time.Since(r.epoch) }

// do runs a command on a node that has to succeed.
func do(ctx context.Context, n *machine.Node, argv ...string) error {
	_, err := output(ctx, n, argv...)
	return err
}

func output(ctx context.Context, n *machine.Node, argv ...string) (string, error) {
	result, err := n.Run(ctx, argv...)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("%s on %s: exit status %d: %s%s", strings.Join(argv, " "), n.Name, result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout, err
}

// shell runs a line of sh on a node.
func shell(ctx context.Context, n *machine.Node, line string) error {
	return do(ctx, n, "/bin/sh", "-c", line)
}

// each does the same with several nodes at once.
func each(nodes []*machine.Node, do func(*machine.Node) error) error {
	errs := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { errs <- do(n) }()
	}
	var all error
	for range nodes {
		all = errors.Join(all, <-errs)
	}
	return all
}

// await asks until there is no objection any more, and returns the last one.
func (r *run) await(ctx context.Context, limit time.Duration, objection func() string) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		why := objection()
		if why == "" {
			return ""
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return why
		}
	}
}

// pause waits, or less where ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
