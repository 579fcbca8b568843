package converge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestIntroduce: a sentinel is introduced to peers that listen while its group forms,
// and later where it speaks to nobody; one that speaks to a peer hears of the others,
// and is left alone.
func TestIntroduce(t *testing.T) {
	ids := func(nodes ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range nodes {
			m["id-"+n] = true
		}
		return m
	}
	listen := func(nodes ...string) map[fleet.Addr]bool {
		m := map[fleet.Addr]bool{}
		for _, n := range nodes {
			m[addr(n, 26379)] = true
		}
		return m
	}
	all := listen("n1", "n2", "n3")
	watches := addr("n9", 6379)
	forming := seeded("n2", true)
	for name, tc := range map[string]struct {
		edit      func(*fleet.InstanceGoal)
		sentinel  Sentinel
		listening map[fleet.Addr]bool
		want      []string
		master    fleet.Addr
		strangers bool
	}{
		"forming, it knows nobody":               {forming, Sentinel{}, all, []string{"n2", "n3"}, addr("n2", 6379), true},
		"forming, it speaks to one":              {forming, Sentinel{Peers: ids("n2"), Reached: ids("n2")}, all, []string{"n3"}, addr("n2", 6379), true},
		"forming, it knows all":                  {forming, Sentinel{Peers: ids("n2", "n3")}, all, nil, fleet.Addr{}, false},
		"serving, it knows nobody":               {nil, Sentinel{Master: watches}, all, []string{"n2", "n3"}, watches, true},
		"serving, one listens":                   {nil, Sentinel{Master: watches}, listen("n1", "n3"), []string{"n3"}, watches, true},
		"serving, nobody listens":                {nil, Sentinel{Master: watches}, nil, nil, fleet.Addr{}, true},
		"serving, the one that it knows is gone": {nil, Sentinel{Master: watches, Peers: ids("n2"), Reached: map[string]bool{"id-n2": false}}, all, []string{"n3"}, watches, true},
		"serving, it is cut off from all":        {nil, Sentinel{Master: watches, Peers: ids("n2", "n3"), Reached: map[string]bool{"id-n2": false}}, all, nil, fleet.Addr{}, false},
		"serving, it speaks to one":              {nil, Sentinel{Master: watches, Peers: ids("n2"), Reached: ids("n2")}, all, nil, fleet.Addr{}, false},
		"serving, it speaks to one that left":    {nil, Sentinel{Master: watches, Peers: ids("n8"), Reached: ids("n8")}, all, nil, fleet.Addr{}, false},
		"serving, it watches no master":          {nil, Sentinel{}, all, nil, fleet.Addr{}, true},
		"it is the only one": {func(g *fleet.InstanceGoal) { g.Sentinels = g.Sentinels[:1] },
			Sentinel{Master: watches}, all, nil, fleet.Addr{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			goal := goal(fleet.KindSentinel, tc.edit)
			g := &goal.Instances[0]
			in := Instance{Identity: group, Unit: fleet.UnitStatus{State: fleet.UnitActive}, Memory: Memory{Started: true}, Sentinel: &tc.sentinel, Listening: tc.listening}
			var got []string
			for _, s := range Plan(goal, Facts{Now: time.Unix(1000, 0), Instances: map[fleet.InstanceID]Instance{g.ID: in}}).Steps {
				if s.Kind != Introduce || s.Master != tc.master || s.Reason == "" {
					t.Errorf("step %+v, want an introduction that names %s", s, tc.master)
				}
				got = append(got, s.Peer.Node)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("introduced to (-want +got):\n%s", d)
			}
			if got := Strangers(g, &tc.sentinel); got != tc.strangers {
				t.Errorf("strangers: %v, want %v", got, tc.strangers)
			}
		})
	}
}
