package systemd

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	got, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"redfleet-agent.service", "redfleet-coordinator.service", "redfleet-redis@.service", "redfleet-sentinel@.service"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
}

func TestUnitName(t *testing.T) {
	t.Parallel()
	for id, want := range map[fleet.InstanceID]string{
		"redis-main-6379":         "redfleet-redis@main-6379.service",
		"sentinel-shop-eu-26379":  "redfleet-sentinel@shop-eu-26379.service",
		"cluster-main-6379":       "",
		"redis-":                  "",
		"redis-../../x-1":         "",
		"redis-main-6379 \nUser=": "",
	} {
		got, err := UnitName(id)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("UnitName(%q) = %q, %v; want %q", id, got, err, want)
		}
	}
}
