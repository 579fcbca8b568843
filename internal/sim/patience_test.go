package sim

import (
	"testing"
	"time"
)

// TestPatience: what a schedule has that takes longer than other faults to be over.
func TestPatience(t *testing.T) {
	for name, tc := range map[string]struct {
		kinds []Kind
		want  time.Duration
	}{
		"nothing":                                {nil, 0},
		"an operator":                            {[]Kind{RemoveNode}, 5 * time.Minute},
		"requests that are lost":                 {[]Kind{ConsulLost}, 0},
		"Consul's loss":                          {[]Kind{LoseConsul}, 0},
		"both":                                   {[]Kind{LoseConsul, ConsulLost}, 10 * time.Minute},
		"requests that are lost, and a snapshot": {[]Kind{ConsulLost, Rollback}, 10 * time.Minute},
		"both, and an operator":                  {[]Kind{ReplaceNode, ConsulLost, LoseConsul}, 15 * time.Minute},
	} {
		var s Schedule
		for _, k := range tc.kinds {
			s.Events = append(s.Events, Event{Kind: k})
		}
		if got := s.patience(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
