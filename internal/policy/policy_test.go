package policy

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/consul"
)

func TestGrants(t *testing.T) {
	t.Parallel()
	key := func(prefix bool, name, access string) consul.Right {
		return consul.Right{Resource: "key", Prefix: prefix, Name: name, Access: access}
	}
	for _, tt := range []struct {
		rule, want consul.Right
		grants     bool
	}{
		{key(false, "a", "read"), key(false, "a", "read"), true},
		{key(false, "a", "write"), key(false, "a", "read"), true},
		{key(false, "a", "read"), key(false, "a", "write"), false},
		{key(false, "a", "read"), key(false, "ab", "read"), false},
		{key(false, "a", "read"), key(true, "a", "read"), false},
		{key(true, "a", "read"), key(false, "ab", "read"), true},
		{key(true, "a", "read"), key(true, "ab", "read"), true},
		{key(true, "ab", "read"), key(true, "a", "read"), false},
		{key(true, "", "read"), consul.Right{Resource: "node", Name: "x", Access: "read"}, false},
	} {
		if got := (Rule{Right: tt.rule}).Grants(tt.want); got != tt.grants {
			t.Errorf("%v grants %v: %v, want %v", tt.rule, tt.want, got, tt.grants)
		}
	}
}

// TestLeast: a hint names the role with the fewest rights, and never more than is
// needed.
func TestLeast(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		resource, name, access string
		want                   string
	}{
		"reading a report":     {"key", "redfleet/shop/report/n1", "read", RoleViewer},
		"reading a secret":     {"key", "redfleet/shop/secret/main", "read", RoleOperator},
		"writing the spec":     {"key", "redfleet/shop/spec", "write", RoleOperator},
		"writing a report":     {"key", "redfleet/shop/report/n1", "write", RoleAgent},
		"writing a goal":       {"key", "redfleet/shop/goal/n1", "write", RoleCoordinator},
		"another fleet's spec": {"key", "redfleet/other/spec", "write", ""},
	} {
		p, found := Least("shop", Node{Name: "n1", Consul: "n1"}, consul.Right{Resource: tt.resource, Name: tt.name, Access: tt.access})
		if p.Role != tt.want || found != (tt.want != "") {
			t.Errorf("%s: %q, want %q", name, p.Role, tt.want)
		}
	}
}

// TestRulesAreUnderTheFleet: no policy gives a right to another fleet's records, and
// every rule says why it is there.
func TestRulesAreUnderTheFleet(t *testing.T) {
	t.Parallel()
	for _, p := range All("shop", []Node{{"n1", "n1"}, {"n2", "c2"}}) {
		for _, r := range p.Rules {
			if r.Resource == "key" && !strings.HasPrefix(r.Name, "redfleet/shop/") || r.Why == "" {
				t.Errorf("%s has %v (%s)", p.Name(), r.Right, r.Why)
			}
			if !strings.Contains(p.HCL(), "# "+r.Why+"\n") {
				t.Errorf("the text of %s does not say why it has %v", p.Name(), r.Right)
			}
		}
	}
}
