package preflight

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
)

// A real Consul that denies by default tells each right of an agent's token, and
// asking changes nothing there (hazard K6).
func TestRightsOfARealConsul(t *testing.T) {
	acl := consultest.StartACL(t)
	keys := fleet.KeysOf("shop")
	root := acl.Root(t)
	if _, err := root.Txn(t.Context(), consul.Create(keys.Report("n1"), []byte("before"))); err != nil {
		t.Fatal(err)
	}
	full := policy.Agent("shop", policy.Node{Name: "n1", Consul: consultest.NodeName})
	in := &Input{Config: config(), Consul: acl.Client(t, full.HCL())}
	if f := runOne(t.Context(), t, "rights", in); f.Status != OK || !strings.Contains(f.Found, fmt.Sprintf("all %d rights", len(full.Rules))) {
		t.Errorf("the shipped policy: %+v", f)
	}
	if f := runOne(t.Context(), t, "consul", in); f.Status != Warning { // nobody has read the records here
		t.Errorf("reachable: %+v", f)
	}
	for i, rule := range full.Rules {
		less := full
		less.Rules = append(append([]policy.Rule{}, full.Rules[:i]...), full.Rules[i+1:]...)
		in.Consul = acl.Client(t, less.HCL())
		if f := runOne(t.Context(), t, "rights", in); f.Status != Error || !strings.Contains(f.Found, rule.Resource) || !strings.Contains(f.Found, rule.Access) {
			t.Errorf("without %s: %+v", rule.Right, f)
		}
	}
	entries, err := root.List(t.Context(), keys.Prefix())
	if err != nil || len(entries) != 1 || string(entries[0].Value) != "before" {
		t.Errorf("the records after it: %v, %v", entries, err)
	}
}

func TestConsulIsOut(t *testing.T) {
	c, err := consul.New(consul.Options{Address: consultest.FreeAddr(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	in := &Input{Config: config(), Consul: c}
	if f := runOne(t.Context(), t, "consul", in); f.Status != Error || !strings.Contains(f.Found, "refused") {
		t.Errorf("%+v", f)
	}
	if f := runOne(t.Context(), t, "rights", in); f.Status != NotApplicable {
		t.Errorf("%+v", f)
	}
}
