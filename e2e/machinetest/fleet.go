package machinetest

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

const (
	// FleetName and GroupName are those of the fleet that a test makes.
	FleetName = "e2e"
	GroupName = "main"
	// RedisPort and SentinelPort are where the group's instances listen.
	RedisPort    = 6379
	SentinelPort = 26379
	// consulServers is how many of the first nodes are Consul's servers and run a
	// coordinator; all others are Consul's clients.
	consulServers = 3
)

// Options say what machines a fleet is made of. The zero value is three of
// bookworm with the suite's Redis.
type Options struct {
	// Nodes is how many machines there are, 3 where it is 0.
	Nodes int
	// Suite is their Debian, bookworm where it is empty.
	Suite string
	// Engines are what their Debian has installed, see machine.Engines.
	Engines machine.Engines
	// Engine is the group's, redis where it is empty.
	Engine string
	// Packages are in the machines' base image besides the usual ones.
	Packages []string
	// Environment is what the operator's verbs have besides the usual, as
	// CONSUL_HTTP_TOKEN_FILE=/root/operator.token. The files are the test's to make.
	Environment []string
	// Create gives each machine more than the usual; nil for nothing. It must
	// leave Consul as it is.
	Create func(node string, o *machine.CreateOptions)
}

// Fleet is a number of machines that are, or become, a redfleet fleet.
type Fleet struct {
	Lab   *machine.Lab
	Nodes []*machine.Node

	options Options
	key     string // the content of the fleet's key file, once there is one
}

// New boots the machines and waits until their Consul has a leader. Nothing of
// redfleet is on them. They are removed when the test ends.
func New(ctx context.Context, t testing.TB, o Options) *Fleet {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Engine == "" {
		o.Engine = "redis"
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	lab, err := machine.New(ctx, machine.Options{Suite: o.Suite, Engines: o.Engines, Packages: o.Packages,
		ConsulServers: min(o.Nodes, consulServers), Log: log})
	check(t, err)
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &Fleet{Lab: lab, options: o}
	for i := range o.Nodes {
		f.create(ctx, t, i)
	}
	// Before the machines are removed: what they say when something went wrong.
	t.Cleanup(func() { f.explain(t) })
	start := time.Now()
	f.Each(t, f.Nodes, func(n *machine.Node) error { return n.Boot(ctx) })
	f.Each(t, f.Nodes, func(n *machine.Node) error { return n.WaitRunning(ctx) })
	f.Each(t, f.Nodes, func(n *machine.Node) error { _, err := n.WaitConsulLeader(ctx); return err })
	t.Logf("%d machines with Consul after %.1f s", o.Nodes, time.Since(start).Seconds())
	return f
}

func (f *Fleet) create(ctx context.Context, t testing.TB, i int) {
	t.Helper()
	role := machine.ConsulServer
	if i >= consulServers {
		role = machine.ConsulClient
	}
	name := "n" + strconv.Itoa(i+1)
	o := machine.CreateOptions{Consul: role}
	if f.options.Create != nil {
		f.options.Create(name, &o)
	}
	n, err := f.Lab.Create(ctx, name, o)
	check(t, err)
	f.Nodes = append(f.Nodes, n)
}

// Each does the same with several nodes at once, and fails the test when one of
// them gives an error.
func (f *Fleet) Each(t testing.TB, nodes []*machine.Node, do func(*machine.Node) error) {
	t.Helper()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = do(n) })
	}
	all.Wait()
	for _, err := range errs {
		check(t, err)
	}
}

// Node is the machine with this name.
func (f *Fleet) Node(t testing.TB, name string) *machine.Node {
	t.Helper()
	for _, n := range f.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("the fleet has no machine %q", name)
	return nil
}

// Others are all machines but this one.
func (f *Fleet) Others(except *machine.Node) []*machine.Node {
	var others []*machine.Node
	for _, n := range f.Nodes {
		if n != except {
			others = append(others, n)
		}
	}
	return others
}

// coordinators are the machines that run one.
func (f *Fleet) coordinators() []*machine.Node {
	return f.Nodes[:min(len(f.Nodes), consulServers)]
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
