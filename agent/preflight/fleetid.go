package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
)

// folderFact is an instance's folder on the disk.
type folderFact struct {
	id    fleet.InstanceID
	group string
	// groupID is the identity in the folder.
	groupID string
}

// fleetFacts are what redfleet itself left on this disk.
type fleetFacts struct {
	fleetID string
	folders []folderFact
}

func gatherFleetID(_ context.Context, in *Input) (fleetFacts, error) {
	node, err := in.rememberedNode()
	if err != nil {
		return fleetFacts{}, err
	}
	f := fleetFacts{fleetID: node.FleetID}
	data := in.path(in.Config.DataDir)
	entries, err := os.ReadDir(data)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	for _, e := range entries {
		id := fleet.InstanceID(e.Name())
		if _, group, _, known := id.Parts(); known && e.IsDir() {
			groupID, idErr := apply.Identity(data, id)
			if idErr != nil {
				return f, idErr
			}
			f.folders = append(f.folders, folderFact{id: id, group: group, groupID: groupID})
		}
	}
	return f, err
}

// judgeFleetID: what is on the disk must be of the fleet that Consul holds
// (hazard K8); groups that it does not hold are told.
func judgeFleetID(in *Input, f fleetFacts) Finding {
	if f.fleetID == "" && len(f.folders) == 0 {
		return ok("nothing of a redfleet is on this disk")
	}
	if in.World == nil {
		return in.unread()
	}
	if c := in.World.Control; c != nil && f.fleetID != "" && c.FleetID != f.fleetID {
		return fail(fmt.Sprintf("bring the right Consul back; or, to let this machine join %s anew and keep its data, move %s away",
			in.Config.Fleet, in.Config.StateDir),
			"this disk belongs to fleet %s, Consul holds fleet %s under the name %s", f.fleetID, c.FleetID, in.Config.Fleet)
	}
	var foreign, unknown []string
	for _, d := range f.folders {
		g, known := in.World.Groups[d.group]
		path := filepath.Join(in.Config.DataDir, string(d.id))
		switch {
		case known && d.groupID != "" && g.ID != d.groupID:
			foreign = append(foreign, fmt.Sprintf("%s is of group %s, Consul's %s is %s", path, d.groupID, d.group, g.ID))
		case !known:
			unknown = append(unknown, path)
		}
	}
	slices.Sort(unknown)
	switch {
	case len(foreign) > 0:
		return fail("move the folders away; redfleet removes no data", "%s", strings.Join(foreign, "; "))
	case len(unknown) > 0:
		return warn("where they are not needed, move them away; where a group of that name is made, its election counts their data",
			"%s: no group of this fleet has them", strings.Join(unknown, ", "))
	}
	return ok("%d folders of this fleet's groups", len(f.folders))
}
