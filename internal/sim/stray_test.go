package sim

import "testing"

// TestStray: the operator takes a machine away that status names, and no other one.
func TestStray(t *testing.T) {
	const says = "group main is degraded: n3 serves, but the sentinel on n1 knows a foreign one, 10.0.0.4:26379 with id e40e; " +
		"the sentinel on n2 knows a foreign one, 10.0.0.4:26379 with id e40e (also failing: sentinel-replicas)."
	for name, tc := range map[string]struct {
		says, host string
		want       bool
	}{
		"named":              {says, "10.0.0.4", true},
		"a member":           {says, "10.0.0.1", false},
		"a longer address":   {says, "10.0.0.42", false},
		"the group is whole": {"", "10.0.0.4", false},
		"another group":      {"group more is degraded: the sentinel on n1 knows a foreign one, 10.0.0.4:26379 with id e40e.", "10.0.0.4", false},
		"a replica":          {"group main is degraded: the sentinel on n1 lists a foreign server, 10.0.0.4:6379.", "10.0.0.4", false},
	} {
		if got := stray(tc.says, tc.host); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
