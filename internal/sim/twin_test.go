package sim

import "testing"

// TestListsTwin: the operator resets the sentinels that list a second machine, and no
// other ones.
func TestListsTwin(t *testing.T) {
	const says = "group main is verifying: the sentinel on n1 lists a foreign server, 10.0.0.23:6379; the sentinel on n2 lists a foreign server, 10.0.0.4:6379."
	for name, tc := range map[string]struct {
		says, node string
		want       bool
	}{
		"it lists one":     {says, "n1", true},
		"a member":         {says, "n2", false},
		"it lists nothing": {says, "n3", false},
		"n2's own address": {"group main is verifying: the sentinel on n1 lists a foreign server, 10.0.0.2:6379.", "n1", false},
		"another group":    {"group more is verifying: the sentinel on n1 lists a foreign server, 10.0.0.23:6379.", "n1", false},
		"all is well":      {"", "n1", false},
	} {
		if got := listsTwin(tc.says, tc.node); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
