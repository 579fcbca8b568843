package coordinator

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestElectionAfterARestore: no group is formed by what agents reported before Consul was
// restored from an older snapshot; one that is formed goes on.
func TestElectionAfterARestore(t *testing.T) {
	const restored = 50
	for name, tc := range map[string]struct {
		restored uint64
		reports  map[string]fleet.ReportRecord
		waits    string
	}{
		"Consul was not restored":            {0, map[string]fleet.ReportRecord{"n1": {Alive: true, Index: 1}}, ""},
		"all reported since":                 {restored, map[string]fleet.ReportRecord{"n1": {Alive: true, Index: 51}, "n2": {Alive: true, Index: 60}}, ""},
		"one has not":                        {restored, map[string]fleet.ReportRecord{"n1": {Alive: true, Index: 51}, "n2": {Alive: true, Index: 50}}, "n2"},
		"one has not, and its agent is gone": {restored, map[string]fleet.ReportRecord{"n1": {Alive: true, Index: 51}, "n2": {Index: 50}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			term := &term{daemon: &daemon{horizon: horizon{restored: tc.restored}}}
			w := fleet.World{
				Spec:    &fleet.SpecRecord{Spec: fleet.Spec{Groups: []fleet.GroupSpec{{Name: "main"}, {Name: "more"}}}},
				Groups:  map[string]fleet.Group{"main": {Name: "main"}},
				Reports: tc.reports,
			}
			got, events := term.formable(w)
			if tc.waits == "" {
				if len(got.Spec.Spec.Groups) != 2 || len(events) != 0 {
					t.Errorf("%+v, %v", got.Spec.Spec.Groups, events)
				}
				return
			}
			if len(got.Spec.Spec.Groups) != 1 || got.Spec.Spec.Groups[0].Name != "main" {
				t.Errorf("%+v", got.Spec.Spec.Groups)
			}
			if len(events) != 1 || events[0].Group != "more" || !strings.Contains(events[0].Why, "the agent of "+tc.waits) {
				t.Errorf("%v", events)
			}
			if _, again := term.formable(w); len(again) != 0 {
				t.Errorf("told twice: %v", again)
			}
		})
	}
}
