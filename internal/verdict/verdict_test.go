package verdict

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func serving() fleet.Assessment {
	return fleet.Assessment{
		Name: "main", Topology: fleet.Sentinel, State: fleet.GroupServing, Reason: "all checks hold",
		Master:             &fleet.MasterStatus{Node: "n1", Addr: fleet.Addr{Host: "10.0.0.1", Port: 6379}},
		Replicas:           []fleet.ReplicaStatus{{Node: "n2", Addr: fleet.Addr{Host: "10.0.0.2", Port: 6379}, Link: "up", LagBytes: 3}},
		Sentinels:          []fleet.SentinelStatus{{Node: "n1", Addr: fleet.Addr{Host: "10.0.0.1", Port: 26379}, OK: true}},
		Quorum:             &fleet.QuorumStatus{Required: 2, Reachable: 3, Majority: 2, OK: true},
		CredentialsVersion: 1,
		Checks:             []fleet.Check{{Name: "roles", Group: "main", OK: true, Seen: "a", Want: "b", AgeS: 1.5}},
	}
}

// The JSON is a promise to programs: this test changes only with docs/json.md.
func TestStatusJSON(t *testing.T) {
	got, err := json.Marshal(NewStatus("shop", []fleet.Assessment{serving()}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"fleet":"shop","groups":[{"name":"main","topology":"sentinel","state":"serving","reason":"all checks hold",` +
		`"master":{"node":"n1","addr":"10.0.0.1:6379"},` +
		`"replicas":[{"node":"n2","addr":"10.0.0.2:6379","link":"up","lag_bytes":3}],` +
		`"sentinels":[{"node":"n1","addr":"10.0.0.1:26379","ok":true}],` +
		`"quorum":{"required":2,"reachable":3,"majority":2,"ok":true},"credentials_version":1}],"requests":[]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestStatusJSONOfNothing(t *testing.T) {
	tests := map[string]struct {
		groups []fleet.Assessment
		want   string
	}{
		"no group": {nil, `{"fleet":"shop","groups":[],"requests":[]}`},
		"forming": {
			[]fleet.Assessment{{Name: "main", Topology: fleet.Replication, State: fleet.GroupForming, Reason: "waiting"}},
			`{"fleet":"shop","groups":[{"name":"main","topology":"replication","state":"forming","reason":"waiting",` +
				`"master":null,"replicas":[],"sentinels":[],"quorum":null,"credentials_version":0}],"requests":[]}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(NewStatus("shop", tc.groups))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVerifyJSON(t *testing.T) {
	w := fleet.World{Spec: &fleet.SpecRecord{Spec: fleet.Spec{Groups: []fleet.GroupSpec{{Name: "main"}}}}}
	got, err := json.Marshal(New(w, []fleet.Assessment{serving()}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ok":true,"checks":[` +
		`{"name":"spec","group":"","ok":true,"seen":"a spec with main","want":"a spec with at least one group","age_s":0},` +
		`{"name":"roles","group":"main","ok":true,"seen":"a","want":"b","age_s":1.5}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestNewVerdict(t *testing.T) {
	spec := &fleet.SpecRecord{Spec: fleet.Spec{Groups: []fleet.GroupSpec{{Name: "a"}, {Name: "b"}}}}
	check := func(group string, ok bool) fleet.Assessment {
		return fleet.Assessment{Name: group, Checks: []fleet.Check{{Name: "roles", Group: group, OK: ok}}}
	}
	both := []fleet.Assessment{check("a", true), check("b", false)}
	tests := map[string]struct {
		world  fleet.World
		groups []fleet.Assessment
		only   []string
		failed []string
	}{
		"all hold":            {fleet.World{Spec: spec}, []fleet.Assessment{check("a", true)}, nil, nil},
		"one fails":           {fleet.World{Spec: spec}, both, nil, []string{"roles"}},
		"only the good group": {fleet.World{Spec: spec}, both, []string{"a"}, nil},
		"only the bad group":  {fleet.World{Spec: spec}, both, []string{"b"}, []string{"roles"}},
		"no spec":             {fleet.World{}, nil, nil, []string{"spec"}},
		"a spec of nothing":   {fleet.World{Spec: &fleet.SpecRecord{}}, nil, nil, []string{"spec"}},
		"unreadable record": {
			fleet.World{Spec: spec, Problems: map[string]string{"k": "k: garbage"}},
			[]fleet.Assessment{check("a", true)}, nil, []string{"records"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := New(tc.world, tc.groups, tc.only...)
			var failed []string
			for _, c := range v.Failed() {
				failed = append(failed, c.Name)
			}
			if diff := cmp.Diff(tc.failed, failed); diff != "" {
				t.Error(diff)
			}
			if v.OK != (tc.failed == nil) {
				t.Errorf("ok is %v", v.OK)
			}
		})
	}
}
