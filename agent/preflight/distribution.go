package preflight

import (
	"context"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/agent/distro"
)

// distroFact is what was found of the distribution's own units (hazard E2).
type distroFact struct {
	findings []distro.Finding
	err      error
}

// lookAtDistro asks once, since a server that is asked twice at the same time
// counts each asker as the other's client. Without systemd there are no units.
func (in *Input) lookAtDistro(ctx context.Context) distroFact {
	if !in.booted() {
		return distroFact{}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	findings, err := distro.Look(ctx)
	return distroFact{findings, err}
}

// goes is the unit that the agent will take out of service before it installs an
// instance on this port.
func (f distroFact) goes(port int) string {
	for _, u := range f.findings {
		if u.Verdict == distro.TakeOut && slices.Contains(u.Ports, port) {
			return u.Unit
		}
	}
	return ""
}

func gatherDistro(_ context.Context, in *Input) (distroFact, error) { return in.distro, in.distro.err }

func judgeDistro(in *Input, f distroFact) Finding {
	var wanted, used, unused []string
	do := ""
	for _, u := range f.findings {
		said := u.Unit + ": " + u.Found
		switch {
		case u.Verdict == distro.Refuse && in.Plan.wants(u.Ports):
			wanted = append(wanted, said)
			do = u.Do
		case u.Verdict == distro.Refuse:
			used = append(used, said)
			do = u.Do
		case u.Verdict == distro.TakeOut:
			unused = append(unused, u.Unit)
		}
	}
	switch {
	case !in.booted():
		return none("systemd does not run here, so no unit does")
	case len(wanted) > 0:
		return fail(do, "%s", strings.Join(append(wanted, used...), "; "))
	case len(used) > 0:
		return warn(do, "%s; not on a port of the plan", strings.Join(used, "; "))
	case len(unused) > 0:
		return ok("%s: unused; the agent stops and masks it before it installs an instance", strings.Join(unused, ", "))
	}
	if len(f.findings) == 0 {
		return ok("there is none")
	}
	return ok("%d, none of which runs or starts at the next boot", len(f.findings))
}

// wants tells whether an instance of the plan is to listen on one of the ports.
func (p Plan) wants(ports []int) bool {
	for _, i := range p.Instances {
		for _, port := range i.Ports {
			if slices.Contains(ports, port) {
				return true
			}
		}
	}
	return false
}
