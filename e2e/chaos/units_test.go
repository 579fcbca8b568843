//go:build e2e

package chaos

import (
	"context"
	"strings"
	"sync"

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
		at := r.now()
		out, err := output(ctx, n, argv...)
		if err != nil {
			return err
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
