package sim

import (
	"strings"
	"testing"
)

// TestRecoveredGoal: what is held of a goal that a recovery wrote.
func TestRecoveredGoal(t *testing.T) {
	for name, tc := range map[string]struct {
		recovered, followed string
		epoch, last         uint64
		keeps               bool
		want                string
	}{
		"the last one":                           {"g3", "g3", 3, 3, true, ""},
		"an older one, and the node has a newer": {"g3", "g3", 3, 4, true, "is not the last one that it followed, which is 4"},
		"a newer one than it follows now":        {"g3", "g3", 3, 2, true, "is not the last one that it followed, which is 2"},
		"another one of that epoch":              {"g3'", "g3", 3, 3, true, "is not one that it followed"},
		"one that it never had":                  {"g3", "", 3, 2, true, "is not one that it followed"},
		"offered, and then the disk went":        {"g3", "g3", 3, 0, false, ""},
		"the disk went, and it never had it":     {"g3", "", 3, 0, false, "is not one that it followed"},
		"the disk went, another of that epoch":   {"g3'", "g3", 3, 0, false, "is not one that it followed"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if got := recoveredGoal(tc.recovered, tc.followed, tc.epoch, tc.last, tc.keeps); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
