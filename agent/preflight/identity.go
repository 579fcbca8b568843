package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// identityFacts are who this machine says it is.
type identityFacts struct {
	machineID string
	agent     string
}

func gatherIdentity(_ context.Context, in *Input) (identityFacts, error) {
	var f identityFacts
	id, err := in.read("/etc/machine-id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	f.machineID = id
	node, err := in.rememberedNode()
	f.agent = node.Agent
	return f, err
}

// judgeMachineID looks for another node with the same machine-id (hazard M4).
func judgeMachineID(in *Input, f identityFacts) Finding {
	if f.machineID == "" || f.machineID == "uninitialized" {
		return fail("systemd-machine-id-setup makes one", "/etc/machine-id is empty")
	}
	if in.World == nil {
		return in.unread()
	}
	var same []string
	for node, r := range in.others() {
		if r.Report.MachineID == f.machineID {
			same = append(same, fmt.Sprintf("%s (%s)", node, r.Report.Address))
		}
	}
	if len(same) > 0 {
		slices.Sort(same)
		return fail("on the machine that is the copy: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot",
			"%s (%s) has the machine-id of %s, %s: one was cloned from the other", in.Config.Node, in.Config.Address, strings.Join(same, ", "), f.machineID)
	}
	return ok("%s is that of no other of %d nodes", f.machineID, len(in.others()))
}

// judgeNodeName looks for another machine under this name, and for another node
// at this address (hazard M4).
func judgeNodeName(in *Input, f identityFacts) Finding {
	if in.World == nil {
		return in.unread()
	}
	for node, r := range in.others() {
		if r.Alive && r.Report.Address == in.Config.Address && in.Config.Address != "" {
			return fail("give one of the two another address in agent.toml", "%s and %s both say that they are at %s", in.Config.Node, node, in.Config.Address)
		}
	}
	r, found := in.World.Reports[in.Config.Node]
	theirs := r.Report
	switch {
	case !found || theirs.Node == "":
		return ok("%s is the name of no node that has reported", in.Config.Node)
	case f.agent != "" && theirs.Agent == f.agent && theirs.Address == in.Config.Address:
		return ok("%s is this machine's, which has reported from %s", in.Config.Node, theirs.Address)
	case !r.Alive && theirs.MachineID == f.machineID:
		return ok("%s is this machine's; it reported from %s before", in.Config.Node, theirs.Address)
	case !r.Alive:
		return warn("nothing, where this machine takes its place; else set another node in agent.toml",
			"%s was the name of another machine, at %s, whose agent is gone; this one is at %s", in.Config.Node, theirs.Address, in.Config.Address)
	case theirs.MachineID == f.machineID && theirs.Address == in.Config.Address:
		return ok("%s is this machine's, which reports from %s", in.Config.Node, theirs.Address)
	}
	return fail("give one of them another name in its agent.toml; where this machine only changed its address, wait 4 minutes for the old name to be free",
		"another agent lives under the name %s at %s; this one is at %s", in.Config.Node, theirs.Address, in.Config.Address)
}

// others are the reports of all nodes but this one.
func (in *Input) others() map[string]fleet.ReportRecord {
	out := maps.Clone(in.World.Reports)
	delete(out, in.Config.Node)
	return out
}
