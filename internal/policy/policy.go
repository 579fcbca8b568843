// Package policy is the one home of redfleet's ACL policies for Consul: what each
// role may do there, each right with the reason why it needs it, and nothing more.
//
// A right that is not in here is one that no token of redfleet's has: the tests run
// both daemons and the commands under exactly these rules with Consul's default set
// to deny, and take each rule away in turn to see what fails without it.
package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
)

// Rule is one right and why the role needs it.
type Rule struct {
	consul.Right
	Why string
}

// Policy is what one role may do in Consul.
type Policy struct {
	// Role is agent, coordinator, operator, viewer or recovery; Node is set for an agent.
	Role string
	Node string
	// Fleet is the fleet whose records the policy is about.
	Fleet string
	Rules []Rule
}

// The roles.
const (
	RoleAgent       = "agent"
	RoleCoordinator = "coordinator"
	RoleOperator    = "operator"
	RoleViewer      = "viewer"
	RoleRecovery    = "recovery"
)

// Node is a machine of the fleet.
type Node struct {
	Name string
	// Consul is the name of the Consul agent that the machine speaks to: sessions
	// belong to it. Mostly it is that of the machine.
	Consul string
}

// Agent is for the agent of one node, and for it alone: another node's report, goal
// or name in Consul are out of its reach. Secrets are sealed with the fleet's key;
// which groups a node will serve is not known beforehand, so it may read each.
func Agent(name string, node Node) Policy {
	k := fleet.KeysOf(name)
	return Policy{Role: RoleAgent, Node: node.Name, Fleet: name, Rules: []Rule{
		key(k.Goal(node.Name), read, "what the coordinator asks of this node"),
		key(k.Control(), read, "which goals count"),
		keys(k.Secret(""), read, "the passwords of its groups, sealed with the fleet's key"),
		key(k.Report(node.Name), write, "what it saw, under a session that guards the node's name"),
		keys(k.Claims(), write, "that one agent at a time asks for a failover of a group"),
		keys(k.Events(), write, "the fleet's history"),
		key(k.Recovery(node.Name), write, "what it keeps, offered to a Consul that lost the fleet's records"),
		{consul.Right{Resource: "session", Name: node.Consul, Access: write}, "the session that guards the node's name"},
		{consul.Right{Resource: "service", Prefix: true, Name: name + "-", Access: write}, "its instances in Consul's catalog, with their roles"},
		{consul.Right{Resource: "agent", Name: node.Consul, Access: read}, "the address that Consul advertises, which redfleet join takes"},
	}}
}

// Coordinator is for every coordinator of the fleet, on any of these nodes.
func Coordinator(name string, nodes ...Node) Policy {
	k := fleet.KeysOf(name)
	p := Policy{Role: RoleCoordinator, Fleet: name, Rules: []Rule{
		keys(k.Prefix(), read, "the spec and the reports, to plan on"),
		key(k.Lease(), write, "the lease: one coordinator leads"),
		key(k.Control(), write, "which goals count"),
		keys(k.Groups(), write, "the election of each group and how far it has come"),
		keys(k.Goals(), write, "what is asked of each node"),
		keys(k.Secret(""), write, "the groups' passwords, sealed with the fleet's key"),
		keys(k.Requests(), write, "how far the operators' requests have come"),
		keys(k.Claims(), write, "the groups' empty claims, which the agents watch"),
		keys(k.Events(), write, "the fleet's history, which it also keeps short"),
		keys(k.Recoveries(), write, "to remove what agents offered to an emptied Consul"),
	}}
	for _, node := range consulNames(nodes) {
		p.Rules = append(p.Rules, Rule{consul.Right{Resource: "session", Name: node, Access: write}, "the lease's session, made on the machine where a coordinator runs"})
	}
	return p
}

func consulNames(nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Consul)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Operator is for the people who run the fleet, on any of these nodes: they give it
// its spec and read all of it, the sealed secrets too.
func Operator(name string, nodes ...Node) Policy {
	k := fleet.KeysOf(name)
	p := Policy{Role: RoleOperator, Fleet: name, Rules: append([]Rule{
		keys(k.Prefix(), read, "all records of the fleet"),
		key(k.Spec(), write, "redfleet apply"),
		keys(k.Requests(), write, "redfleet node remove"),
		key(k.Drill(), write, "redfleet drill: one at a time"),
	}, catalog(name)...)}
	for _, node := range consulNames(nodes) {
		p.Rules = append(p.Rules, Rule{consul.Right{Resource: "session", Name: node, Access: write}, "the lock's session of redfleet drill, made on the machine where the command runs"})
	}
	return p
}

// Recovery is for `redfleet recover` alone, run on any of these nodes: it writes once
// what the coordinators and the operator wrote before Consul was lost.
func Recovery(name string, nodes ...Node) Policy {
	k := fleet.KeysOf(name)
	p := Policy{Role: RoleRecovery, Fleet: name, Rules: []Rule{
		keys(k.Prefix(), read, "what the agents offer, and that nothing else is there"),
		key(k.Rebuild(), write, "its lock: one recovery at a time"),
		key(k.Control(), write, "the fleet's identity, and which goals count"),
		keys(k.Groups(), write, "the groups' identities"),
		keys(k.Goals(), write, "each node's last goal"),
		keys(k.Secret(""), write, "the groups' passwords, sealed with the fleet's key"),
		key(k.Spec(), write, "the spec, as far as goals tell it"),
		keys(k.Events(), write, "the event that tells of it"),
	}}
	for _, node := range consulNames(nodes) {
		p.Rules = append(p.Rules, Rule{consul.Right{Resource: "session", Name: node, Access: write}, "the lock's session, made on the machine where the command runs"})
	}
	return p
}

// Viewer is for those who look and change nothing: status, verify, events. It does
// not see the secrets, not even sealed.
func Viewer(name string) Policy {
	k := fleet.KeysOf(name)
	return Policy{Role: RoleViewer, Fleet: name, Rules: append([]Rule{
		key(k.Spec(), read, "what is wanted"),
		key(k.Control(), read, "which goals count"),
		keys(k.Groups(), read, "the election of each group and how far it has come"),
		keys(k.Goals(), read, "what is asked of each node"),
		keys(k.Reports(), read, "what each agent saw"),
		keys(k.Requests(), read, "what operators asked for, and how far it has come"),
		keys(k.Events(), read, "the fleet's history"),
	}, catalog(name)...)}
}

// catalog: an entry of the catalog is shown to who may read both its service and
// its node.
func catalog(name string) []Rule {
	return []Rule{
		{consul.Right{Resource: "service", Prefix: true, Name: name + "-", Access: read}, "the groups' services, which redfleet verify compares"},
		{consul.Right{Resource: "node", Prefix: true, Name: "", Access: read}, "the nodes that these services are on"},
	}
}

const (
	read  = "read"
	write = "write"
)

func key(name, access, why string) Rule {
	return Rule{consul.Right{Resource: "key", Name: name, Access: access}, why}
}

func keys(prefix, access, why string) Rule {
	return Rule{consul.Right{Resource: "key", Prefix: true, Name: prefix, Access: access}, why}
}

// All are the policies of a fleet of these nodes, agents first.
func All(name string, nodes []Node) []Policy {
	var out []Policy
	for _, n := range nodes {
		out = append(out, Agent(name, n))
	}
	return append(out, Coordinator(name, nodes...), Operator(name, nodes...), Viewer(name), Recovery(name, nodes...))
}

// Title is the role, with its node: agent-n1, viewer. Files are named by it.
func (p Policy) Title() string {
	if p.Node != "" {
		return p.Role + "-" + p.Node
	}
	return p.Role
}

// Name is the policy's name in Consul.
func (p Policy) Name() string { return "redfleet-" + p.Fleet + "-" + p.Title() }

// Description tells people in Consul's own lists what it is for.
func (p Policy) Description() string {
	who := map[string]string{
		RoleAgent: "the agent of node " + p.Node, RoleCoordinator: "the coordinators",
		RoleOperator: "who runs the fleet", RoleViewer: "who looks at the fleet and changes nothing",
		RoleRecovery: "redfleet recover, where Consul lost its records",
	}
	return fmt.Sprintf("redfleet, fleet %s: %s", p.Fleet, who[p.Role])
}

// HCL is the policy as Consul takes it, each rule with its reason.
func (p Policy) HCL() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", p.Description())
	for _, r := range p.Rules {
		kind := r.Resource
		if r.Prefix {
			kind += "_prefix"
		}
		fmt.Fprintf(&b, "\n# %s\n%s %q {\n  policy = %q\n}\n", r.Why, kind, r.Name, r.Access)
	}
	return b.String()
}

// Rights are what the policy's rules give.
func (p Policy) Rights() []consul.Right {
	out := make([]consul.Right, len(p.Rules))
	for i, r := range p.Rules {
		out[i] = r.Right
	}
	return out
}

// Grants tells whether one of the rules gives the right.
func (p Policy) Grants(r consul.Right) bool {
	return slices.ContainsFunc(p.Rules, func(rule Rule) bool { return rule.Grants(r) })
}

// Grants tells whether the rule gives the right. To write is also to read.
func (r Rule) Grants(want consul.Right) bool {
	if r.Resource != want.Resource || r.Access == read && want.Access == write {
		return false
	}
	if r.Prefix {
		return strings.HasPrefix(want.Name, r.Name)
	}
	return r.Name == want.Name && !want.Prefix
}

// Least finds, among the roles of people and daemons, the one with the fewest
// rights that has all of these; false where no shipped policy has them.
func Least(name string, node Node, rights ...consul.Right) (Policy, bool) {
	for _, p := range []Policy{Viewer(name), Operator(name), Agent(name, node), Coordinator(name, node)} {
		if !slices.ContainsFunc(rights, func(r consul.Right) bool { return !p.Grants(r) }) {
			return p, true
		}
	}
	return Policy{}, false
}
