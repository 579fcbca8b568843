package records_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// decodes holds a record type to its rule: whatever stands in Consul is refused or
// read whole, and what was read is written again as the same record.
func decodes[T any](t *testing.T, data []byte) {
	v, err := records.Decode[T]("redfleet/shop/record", data)
	if err != nil {
		return
	}
	first, err := records.Encode(v)
	if err != nil {
		t.Fatalf("%q is read and cannot be written: %v", data, err)
	}
	again, err := records.Decode[T]("redfleet/shop/record", first)
	if err != nil {
		t.Fatalf("%q is written as %q, which cannot be read: %v", data, first, err)
	}
	second, err := records.Encode(again)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%q is written as %q, and then as %q (%v)", data, first, second, err)
	}
}

func FuzzGoal(f *testing.F) {
	f.Add([]byte(`{"format":1,"fleet_id":"f","node":"n1","epoch":3,"instances":[{"id":"redis-main-6379","group":"main","kind":"redis","addr":"10.0.0.1:6379",` +
		`"servers":[{"node":"n1","addr":"10.0.0.1:6379"}],"monitor":{"master_name":"main","quorum":2,"down_after":"5s","failover_timeout":"1m"},"config":{"save":["900 1"]}}]}`))
	f.Add([]byte(`{"format":99}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) { decodes[fleet.Goal](t, data) })
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"format":1,"node":"n1","address":"10.0.0.1","at":"2026-01-01T00:00:00Z","epoch":3,"instances":[{"id":"redis-main-6379","kind":"redis","state":"running",` +
		`"redis":{"role":"master","replid":"a"},"sentinel":{"master":"10.0.0.1:6379","config_epoch":1}}]}`))
	f.Add([]byte(`{"format":1,"instances":[{"addr":":"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { decodes[fleet.Report](t, data) })
}

// FuzzWorld: a record that cannot be read hides no other, whichever key it has.
func FuzzWorld(f *testing.F) {
	keys := fleet.KeysOf("shop")
	for i := range 8 {
		f.Add(uint8(i), []byte(`{"format":1}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		damaged := []string{
			keys.Spec(), keys.Control(), keys.Group("main"), keys.Goal("n1"), keys.Report("n1"), keys.Lease(), keys.Event("e"), keys.Prefix() + "other/x",
		}[which%8]
		w := records.WorldOf("shop", []consul.Entry{
			{Key: damaged, Value: data, Index: 5},
			{Key: keys.Report("n2"), Value: []byte(`{"format":1,"node":"n2","at":"2026-01-01T00:00:00Z"}`), Index: 6, Session: "s"},
		}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if r, ok := w.Reports["n2"]; !ok || r.Problem != "" || !r.Alive {
			t.Errorf("%s = %q hides the report of n2: %+v", damaged, data, r)
		}
	})
}
