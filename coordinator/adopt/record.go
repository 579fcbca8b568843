package adopt

import (
	"maps"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Record is the fleet's spec with the group in it, marked to be adopted, and its
// sealed password. old, nil where the fleet has no spec yet, is not changed.
func Record(old *fleet.SpecRecord, fleetName string, f Finding, sealed string) fleet.SpecRecord {
	rec := fleet.SpecRecord{Format: fleet.Format, Spec: fleet.Spec{Fleet: fleet.FleetSpec{Name: fleetName}}}
	if old != nil {
		rec = *old
	}
	rec.Spec.Groups = append(slices.Clone(rec.Spec.Groups), f.Spec)
	rec.Passwords, rec.Adopt = maps.Clone(rec.Passwords), maps.Clone(rec.Adopt)
	if rec.Passwords == nil {
		rec.Passwords = map[string]string{}
	}
	if rec.Adopt == nil {
		rec.Adopt = map[string]fleet.Adoption{}
	}
	rec.Passwords[f.Group], rec.Adopt[f.Group] = sealed, f.Adoption
	return rec
}
