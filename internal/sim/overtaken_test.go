package sim

import (
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestOvertook: only a failover that was still going on when another one was elected
// counts as overtaken.
func TestOvertook(t *testing.T) {
	const one, two = "10.0.0.1:26379", "10.0.0.2:26379"
	type told struct{ sentinel, event string }
	elected := func(s string) told { return told{s, "+elected-leader master main 10.0.0.1 6379"} }
	end := func(s string) told { return told{s, "+failover-end master main 10.0.0.1 6379"} }
	for name, tc := range map[string]struct {
		events   []told
		one, two bool
	}{
		"nothing":                             {nil, false, false},
		"one after the other":                 {[]told{elected(two), end(two), elected(one), end(one)}, false, false},
		"two goes on while one leads":         {[]told{elected(two), elected(one), end(two), end(one)}, false, true},
		"and is marked still, later":          {[]told{elected(two), elected(one), end(two), end(one), elected(two), end(two)}, false, true},
		"each overtakes the other":            {[]told{elected(two), elected(one), elected(two)}, true, true},
		"its own next one":                    {[]told{elected(two), elected(two)}, false, false},
		"two gave up before":                  {[]told{elected(two), {two, "-failover-abort-no-good-slave master main 10.0.0.1 6379"}, elected(one)}, false, false},
		"two was started anew":                {[]told{elected(two), {two, "sentinel 87e09d08 starts at epoch 0"}, elected(one)}, false, false},
		"another group":                       {[]told{elected(two), {one, "+elected-leader master more 10.0.0.1 6380"}}, false, false},
		"a try that was not elected":          {[]told{elected(two), {one, "+try-failover master main 10.0.0.1 6379"}}, false, false},
		"the end of reconfiguring one server": {[]told{elected(two), {two, "+slave-reconf-done slave 10.0.0.3:6379 10.0.0.3 6379 @ main 10.0.0.1 6379"}, elected(one)}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var f failovers
			for _, e := range tc.events {
				f.told(e.sentinel, e.event)
			}
			at := func(host string) fleet.Addr { return fleet.Addr{Host: host, Port: 26379} }
			if f.overtook([]fleet.Addr{at("10.0.0.1")}) != tc.one || f.overtook([]fleet.Addr{at("10.0.0.2")}) != tc.two {
				t.Errorf("overtaken: %v, want one %t, two %t", f.overtaken, tc.one, tc.two)
			}
			if both := []fleet.Addr{at("10.0.0.1"), at("10.0.0.2")}; f.overtook(both) != (tc.one && tc.two) {
				t.Errorf("both: %t", f.overtook(both))
			}
		})
	}
}
