//go:build e2e

package chaos

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

// Units that are not a group's.
const (
	agentUnit       = "redfleet-agent.service"
	coordinatorUnit = "redfleet-coordinator.service"
	consulUnit      = "consul.service"
)

// sampleUnits looks at all units of redfleet, and Consul's, on the machines that run.
func (r *run) sampleUnits(ctx context.Context) error {
	argv := []string{"systemctl", "show", "--property=Id,InvocationID,ActiveState", agentUnit, coordinatorUnit, consulUnit}
	for _, g := range groups() {
		argv = append(argv, g.redis(), g.sentinelUnit())
	}
	var mu sync.Mutex
	return each(r.Nodes, func(n *machine.Node) error {
		if !n.On() {
			return nil
		}
		// A systemd that is just reading its files again may refuse the question.
		var at time.Duration
		var out string
		if why := r.await(ctx, 10*time.Second, func() string {
			at = r.now()
			var err error
			if out, err = output(ctx, n, argv...); err != nil {
				return err.Error()
			}
			return ""
		}); why != "" {
			return errors.New(why)
		}
		mu.Lock()
		defer mu.Unlock()
		for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
			u := history.Unit{Node: n.Name, Time: at}
			active := false
			for line := range strings.Lines(block) {
				switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
				case "Id":
					u.Unit = value
				case "InvocationID":
					u.Run = value
				case "ActiveState":
					active = value == "active"
				}
			}
			if !active {
				u.Run = ""
			}
			r.units = append(r.units, u)
		}
		return nil
	})
}
