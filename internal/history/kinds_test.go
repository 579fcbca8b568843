package history

import (
	"testing"
	"time"
)

// TestKinds: what the faults of one kind showed is added up, beside the loosest of
// their claims; what was lost where nothing may be is counted apart.
func TestKinds(t *testing.T) {
	fault := func(number int, kind string, lost int, dual time.Duration) *Fault {
		return &Fault{Number: number, Kind: kind, Start: time.Second, Whole: time.Duration(number) * 10 * time.Second,
			Claims: []Claim{{Group: "main", Lost: lost, Dual: dual, Isolated: Unclaimed, Gap: Unclaimed}}}
	}
	found := func(lost int, dual time.Duration) map[string]Found {
		return map[string]Found{"main": {Lost: lost, Dual: dual}}
	}
	r := Result{Rows: []Row{
		{All: Found{Lost: 1}}, // before the first fault nothing may be lost
		{Fault: fault(1, "part", Unclaimed, 2*time.Second), Groups: found(7, time.Second)},
		{Fault: fault(2, "part", 0, 3*time.Second), Groups: found(2, 1500*ms)},
		{Fault: fault(3, "kill", Unclaimed, 0), Groups: found(5, 0)},
		{Fault: &Fault{Kind: "kill", Start: time.Second}}, // never in order again
	}}
	kinds := r.Kinds()
	if len(kinds) != 2 || kinds[0].Name != "kill" || kinds[1].Name != "part" {
		t.Fatalf("the kinds are %+v", kinds)
	}
	if kinds[0].Broken != 1 || kinds[0].Whole != 29*time.Second || kinds[1].Broken != 0 {
		t.Errorf("one fault was never over: %+v", kinds)
	}
	part := kinds[1]
	if held := part.Groups["main"]; part.Faults != 2 || part.Whole != 19*time.Second || held.Found.Lost != 9 || held.Found.Dual != 1500*ms ||
		held.Claim.Lost != Unclaimed || held.Claim.Dual != 3*time.Second || held.Claim.Isolated != Unclaimed {
		t.Errorf("two faults of a kind are %+v", part)
	}
	if lost := r.LostAgainstClaim(); lost != 3 {
		t.Errorf("lost where nothing may be: %d, not 3", lost)
	}
}
