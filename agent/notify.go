package agent

import (
	"fmt"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// statusLine is what `systemctl status redfleet-agent` shows of a report.
func statusLine(r fleet.Report, assigned int) string {
	var down []string
	running := 0
	for _, i := range r.Instances[:assigned] {
		if i.State == fleet.Running {
			running++
			continue
		}
		down = append(down, fmt.Sprintf("%s is %s: %s", i.ID, i.State, i.Reason))
	}
	line := fmt.Sprintf("node %s, plan %d, %d of %d instances run", r.Node, r.Epoch, running, assigned)
	if assigned == 0 {
		line = fmt.Sprintf("node %s, nothing is assigned to it", r.Node)
	}
	if r.Problem != "" {
		down = append(down, r.Problem)
	}
	return strings.Join(append([]string{line}, down...), "; ")
}
