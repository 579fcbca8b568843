package fleettest

import (
	"fmt"
	"testing"

	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
)

// Guarded prepares a fleet of this name on a Consul that denies what no policy
// allows. Each daemon gets a token under the shipped policy of its role, as edit
// gives it back; nil leaves it as it is shipped. The test's own client may do
// everything.
func Guarded(t *testing.T, nets *Nets, acl *consultest.ACL, name string, edit func(policy.Policy) policy.Policy) *Fleet {
	t.Helper()
	f := New(t, nets, acl.Addr)
	f.Client.Close()
	f.Name, f.Keys, f.Client = name, fleet.KeysOf(name), acl.Root(t)
	f.token = func(p policy.Policy) string {
		if edit != nil {
			p = edit(p)
		}
		return acl.TokenFile(t, p.HCL())
	}
	return f
}

// consulNode is node n<i> as Consul knows it: in a test all speak to one agent.
func consulNode(i int) policy.Node {
	return policy.Node{Name: fmt.Sprintf("n%d", i), Consul: consultest.NodeName}
}

// agentToken is the token file of node n<i>'s agent; empty where Consul asks for none.
func (f *Fleet) agentToken(i int) string {
	if f.token == nil {
		return ""
	}
	return f.token(policy.Agent(f.Name, consulNode(i)))
}

func (f *Fleet) coordinatorToken() string {
	if f.token == nil {
		return ""
	}
	return f.token(policy.Coordinator(f.Name, consulNode(0)))
}
