package sim

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestUnannounced: which promotions nobody may know of, since the sentinel that made
// them ended right after.
func TestUnannounced(t *testing.T) {
	const one, two = "10.0.0.1:26379", "10.0.0.2:26379"
	const at = "slave 10.0.0.3:6379 10.0.0.3 6379 @ main 10.0.0.1 6379"
	type told struct{ sentinel, event string }
	promotes := told{two, "+failover-state-wait-promotion " + at}
	for name, tc := range map[string]struct {
		events []told
		want   bool
	}{
		"nothing":                      {nil, false},
		"it is waited for":             {[]told{promotes}, false},
		"its sentinel loses power":     {[]told{promotes, {two, "loses power"}}, true},
		"its sentinel is killed":       {[]told{promotes, {two, "ends: killed"}}, true},
		"another one ends":             {[]told{promotes, {one, "ends: killed"}}, false},
		"it was announced before":      {[]told{promotes, {two, "+failover-state-reconf-slaves master main 10.0.0.1 6379"}, {two, "loses power"}}, false},
		"it was given up before":       {[]told{promotes, {two, "-failover-abort-slave-timeout master main 10.0.0.1 6379"}, {two, "loses power"}}, false},
		"it says something else":       {[]told{promotes, {two, "+promoted-slave " + at}, {two, "loses power"}}, true},
		"it was only chosen":           {[]told{{two, "+selected-slave " + at}, {two, "loses power"}}, false},
		"in another group":             {[]told{{two, "+failover-state-wait-promotion slave 10.0.0.3:6379 10.0.0.3 6379 @ more 10.0.0.1 6380"}, {two, "loses power"}}, false},
		"it is demoted":                {[]told{promotes, {two, "loses power"}, {"10.0.0.3:6379", "follows 10.0.0.2:6379 from offset 1504 of f7ee2e79"}}, false},
		"its server ends":              {[]told{promotes, {two, "loses power"}, {"10.0.0.3:6379", "ends: killed"}}, false},
		"its server loses power":       {[]told{promotes, {two, "loses power"}, {"10.0.0.3:6379", "loses power"}}, false},
		"a sentinel knows of it":       {[]told{promotes, {two, "loses power"}, {one, "+switch-master main 10.0.0.1 6379 10.0.0.3 6379"}}, false},
		"a sentinel knows of another":  {[]told{promotes, {two, "loses power"}, {one, "+switch-master main 10.0.0.1 6379 10.0.0.4 6379"}}, true},
		"it ends again, after another": {[]told{promotes, {two, "loses power"}, {two, "ends: killed"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var u unannounced
			for _, e := range tc.events {
				u.told(e.sentinel, e.event)
			}
			if got := u.has(fleet.Addr{Host: "10.0.0.3", Port: 6379}); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
			if u.has(fleet.Addr{Host: "10.0.0.1", Port: 6379}) {
				t.Error("the wrong one")
			}
		})
	}
}
