package records

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func entry(key, value, session string) consul.Entry {
	return consul.Entry{Key: "redfleet/shop/" + key, Value: []byte(value), Session: session}
}

func TestWorldOf(t *testing.T) {
	w := WorldOf("shop", []consul.Entry{
		entry("", "", ""),
		entry("control", `{"format":1,"fleet_id":"f","committed":4}`, ""),
		entry("event/01", `{"what":"elected"}`, ""),
		entry("goal/n1", `{"format":1,"node":"n1","epoch":4}`, ""),
		entry("goal/n2", ``, ""),
		entry("goal/n3", `{"format":1,"no`, ""),
		entry("group/main", `{"format":1,"name":"main","phase":"serving"}`, ""),
		entry("lease", `c1`, "s"),
		entry("report/n1", `{"format":1,"node":"n1"}`, "s1"),
		entry("report/n2", `{"format":1,"node":"n2"}`, ""),
		entry("report/n3", `{"format":9,"node":"n3"}`, "s3"),
		entry("report/n4", ``, "s4"),
		entry("secret/main", `{"format":1}`, ""),
		entry("spec", `{"format":1,"spec":{"fleet":{"name":"shop"},"groups":[{"name":"main","nodes":["n1"]}]}}`, ""),
		entry("unheard/of", `x`, ""),
	}, now)

	if w.Spec == nil || w.Spec.Spec.Groups[0].Port != 6379 {
		t.Errorf("the spec came without its defaults: %+v", w.Spec)
	}
	if w.Control == nil || w.Control.Committed != 4 {
		t.Errorf("control: %+v", w.Control)
	}
	if len(w.Goals) != 1 || w.Goals["n1"].Epoch != 4 {
		t.Errorf("goals: %+v", w.Goals)
	}
	if w.Groups["main"].Phase != fleet.PhaseServing {
		t.Errorf("groups: %+v", w.Groups)
	}
	alive := map[string]bool{}
	for node, r := range w.Reports {
		alive[node] = r.Alive
	}
	if diff := cmp.Diff(map[string]bool{"n1": true, "n2": false, "n3": true}, alive); diff != "" {
		t.Errorf("reports (alive): %s", diff)
	}
	if p := w.Reports["n3"].Problem; !strings.Contains(p, "newer") {
		t.Errorf("the newer report has the problem %q", p)
	}
	if p := w.Problems["redfleet/shop/goal/n3"]; len(w.Problems) != 1 || p == "" {
		t.Errorf("problems: %v", w.Problems)
	}
}

// fakeReader stands for Consul where only its answers matter.
type fakeReader struct {
	entries []consul.Entry
	err     error
	asked   []string
}

func (f *fakeReader) List(_ context.Context, prefix string, _ ...string) ([]consul.Entry, error) {
	f.asked = append(f.asked, prefix)
	return f.entries, f.err
}

func (f *fakeReader) Services(_ context.Context, name string) ([]fleet.ServiceEntry, error) {
	f.asked = append(f.asked, name)
	return []fleet.ServiceEntry{{Service: name}}, f.err
}

func TestLoadWorld(t *testing.T) {
	spec := entry("spec", `{"format":1,"spec":{"fleet":{"name":"shop"},"groups":[{"name":"main","nodes":["n1"]},{"name":"b","service":"other","nodes":["n1"],"port":7000}]}}`, "")
	f := &fakeReader{entries: []consul.Entry{spec}}
	w, err := LoadWorld(context.Background(), f, "shop", now, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"redfleet/shop/", "shop-main", "other"}, f.asked); diff != "" {
		t.Errorf("asked for: %s", diff)
	}
	if len(w.Services) != 2 || !w.Now.Equal(now) {
		t.Errorf("world: %+v", w)
	}

	w, err = LoadWorld(context.Background(), f, "shop", now, false)
	if err != nil || w.Services != nil {
		t.Errorf("services %v were read unasked (%v)", w.Services, err)
	}

	f.err = consul.ErrOut
	if _, err = LoadWorld(context.Background(), f, "shop", now, true); !errors.Is(err, consul.ErrOut) {
		t.Errorf("error %v, want %v", err, consul.ErrOut)
	}
}

func TestLoadWorldOfNothing(t *testing.T) {
	w, err := LoadWorld(context.Background(), &fakeReader{}, "shop", now, true)
	if err != nil || w.Spec != nil || w.Services == nil {
		t.Errorf("an empty Consul gave %+v, %v", w, err)
	}
}

// TestASecretWithoutItsGroup: both are made at once, so the group was there.
func TestASecretWithoutItsGroup(t *testing.T) {
	spec := entry("spec", `{"format":1,"spec":{"fleet":{"name":"shop"},"groups":[{"name":"main","nodes":["n1"]}]}}`, "")
	w := WorldOf("shop", []consul.Entry{entry("secret/main", `{"format":1}`, ""), entry("secret/of-no-group", `{"format":1}`, ""), spec}, now)
	const key = "redfleet/shop/group/main"
	if p := w.Problems[key]; len(w.Problems) != 1 || !strings.Contains(p, key+" is missing, and redfleet/shop/secret/main") {
		t.Errorf("problems: %v", w.Problems)
	}
	if w = WorldOf("shop", []consul.Entry{entry("secret/main", ``, ""), spec}, now); len(w.Problems) != 0 {
		t.Errorf("of a secret that was never written: %v", w.Problems)
	}
}
