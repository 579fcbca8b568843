package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestPlanDefaults(t *testing.T) {
	tests := map[string]struct {
		asked     Plan
		nodes     int
		sentinels int
	}{
		"nothing asked":       {Plan{}, 3, 3},
		"five nodes":          {Plan{Nodes: 5}, 5, 3},
		"five of both":        {Plan{Nodes: 5, Sentinels: 5}, 5, 5},
		"one node":            {Plan{Nodes: 1}, 1, 1},
		"without sentinels":   {Plan{Topology: fleet.Replication}, 3, 0},
		"two and their quota": {Plan{Nodes: 2}, 2, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := tc.asked.withDefaults()
			if err := p.validate(); err != nil {
				t.Fatal(err)
			}
			if p.Nodes != tc.nodes || p.Sentinels != tc.sentinels {
				t.Errorf("got %d nodes and %d sentinels", p.Nodes, p.Sentinels)
			}
			if _, errs := p.spec().Validate(); len(errs) > 0 {
				t.Errorf("the lab's own spec is not valid: %v", errs)
			}
		})
	}
}

func TestPlanValidate(t *testing.T) {
	tests := map[string]struct {
		asked Plan
		want  string
	}{
		"no nodes":               {Plan{Nodes: -1}, "1 to 100 nodes"},
		"too many nodes":         {Plan{Nodes: 101}, "1 to 100 nodes"},
		"unknown topology":       {Plan{Topology: "sentinal"}, `did you mean "sentinel"?`},
		"sentinels unasked":      {Plan{Topology: fleet.Replication, Sentinels: 3}, "has none"},
		"more sentinels":         {Plan{Nodes: 3, Sentinels: 5}, "1 to 3"},
		"more coordinators":      {Plan{Nodes: 3, Coordinators: 4}, "1 to 3"},
		"no loopback":            {Plan{Net: "10.0.0"}, "127.0.1"},
		"no network":             {Plan{Net: "127.0"}, "127.0.1"},
		"down before a moment":   {Plan{DownAfter: 1}, "at least 1ms"},
		"down before the others": {Plan{DownAfter: fleet.Duration(-time.Second)}, "at least 1ms"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.asked.withDefaults().validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestPlanOver(t *testing.T) {
	kept := Plan{Nodes: 5}.withDefaults()
	got, err := Plan{Nodes: 5, Net: "127.0.0"}.over(kept)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, got); diff != "" {
		t.Error(diff)
	}
	_, err = Plan{Nodes: 3, Topology: fleet.Replication}.over(kept)
	if err == nil {
		t.Fatal("a lab of five nodes became one of three")
	}
	for _, want := range []string{"--nodes is 5 here, not 3", "--topology is sentinel here, not replication", "lab down"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}
