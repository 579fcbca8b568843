package machinetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
)

// Instance is one run of a unit: two that are equal are the same process.
type Instance struct {
	Unit string
	// PID within the node; 0 while it does not run.
	PID int
	// Invocation is systemd's id of this run.
	Invocation string
	// Started is when the process was started, on the host's clock since boot.
	Started time.Duration
}

// answerLimit is how long a systemd may refuse questions: one that is just reading its
// files again, for an agent that installs an instance, does so for a moment.
const answerLimit = 10 * time.Second

// Unit is the node's unit as it runs now.
func Unit(ctx context.Context, t testing.TB, n *machine.Node, unit string) Instance {
	t.Helper()
	var out string
	if why := poll(ctx, answerLimit, func() string {
		var err error
		if out, err = run(ctx, n, "systemctl", "show", "--property=MainPID,InvocationID,ExecMainStartTimestampMonotonic", unit); err != nil {
			return err.Error()
		}
		return ""
	}); why != "" {
		t.Fatal(why)
	}
	i := Instance{Unit: unit}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "MainPID":
			i.PID = number(t, value)
		case "InvocationID":
			i.Invocation = value
		case "ExecMainStartTimestampMonotonic":
			i.Started = time.Duration(number(t, value)) * time.Microsecond
		}
	}
	return i
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// RedisUnit and SentinelUnit are the units of the group's instances on each node.
func RedisUnit() string { return fmt.Sprintf("redfleet-redis@%s-%d.service", GroupName, RedisPort) }

// SentinelUnit is RedisUnit for the sentinel.
func SentinelUnit() string {
	return fmt.Sprintf("redfleet-sentinel@%s-%d.service", GroupName, SentinelPort)
}

// Runs are the group's instances on all machines, by node and unit, as they run now.
// A test takes them before and after what must not touch them.
func (f *Fleet) Runs(ctx context.Context, t testing.TB) map[string]Instance {
	t.Helper()
	runs := map[string]Instance{}
	for i, n := range f.Nodes {
		runs[n.Name+" "+RedisUnit()] = Unit(ctx, t, n, RedisUnit())
		if i < consulServers {
			runs[n.Name+" "+SentinelUnit()] = Unit(ctx, t, n, SentinelUnit())
		}
	}
	return runs
}

// SameRuns fails the test for each instance that is not the process that it was, or
// did not run at all.
func SameRuns(t testing.TB, before, after map[string]Instance) {
	t.Helper()
	for name, was := range before {
		switch is := after[name]; {
		case was.PID == 0:
			t.Errorf("%s did not run before", name)
		case is != was:
			t.Errorf("%s was restarted: process %d, invocation %s became process %d, invocation %s",
				name, was.PID, was.Invocation, is.PID, is.Invocation)
		}
	}
	if len(before) == 0 {
		t.Error("no instance was looked at")
	}
}
