package switchover

import (
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/history"
)

// judged holds what clients saw of each switch, after the calm before the first one,
// against the promise, and prints how long they waited.
func judged(t *testing.T, found []history.Found, outcomes []Outcome) {
	t.Helper()
	var gaps, held []time.Duration
	var total history.Found
	for i, f := range found {
		total.Acknowledged, total.Waited, total.Lost, total.Failed = total.Acknowledged+f.Acknowledged, total.Waited+f.Waited, total.Lost+f.Lost, total.Failed+f.Failed
		total.Dual = max(total.Dual, f.Dual)
		if i > 0 {
			gaps, held = append(gaps, f.Gap), append(held, outcomes[i-1].Held)
		}
	}
	t.Logf("gaps: %v", gaps)
	t.Logf("%d switches, %d acknowledged, %d of them by every replica, %d failed, %d lost, two masters for %s; gap at clients median %s worst %s; writes held median %s worst %s",
		len(gaps), total.Acknowledged, total.Waited, total.Failed, total.Lost, total.Dual, median(gaps), slices.Max(gaps), median(held), slices.Max(held))
	if total.Lost > 0 || total.Dual > 0 {
		t.Errorf("%d acknowledged writes were lost, two servers took writes for %s", total.Lost, total.Dual)
	}
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2].Round(time.Millisecond)
}
