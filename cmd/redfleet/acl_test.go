package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rehearsal "github.com/redfleet/redfleet/coordinator/drill"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/records"
)

// guarded puts the records of a small fleet "shop" into a Consul that denies by
// default, the secret of a group among them.
func guarded(t *testing.T) (*consultest.ACL, *consul.Client) {
	t.Helper()
	acl := consultest.StartACL(t)
	root := acl.Root(t)
	fill(t, root, "shop")
	return acl, root
}

func fill(t *testing.T, root *consul.Client, name string) {
	t.Helper()
	keys := fleet.KeysOf(name)
	spec := fleet.Spec{Fleet: fleet.FleetSpec{Name: name}, Groups: []fleet.GroupSpec{{Name: "main", Nodes: []string{"n1", "n2", "n3"}}}}
	for key, record := range map[string]any{
		keys.Spec():         fleet.SpecRecord{Format: fleet.Format, Spec: spec.WithDefaults()},
		keys.Control():      fleet.Control{Format: fleet.Format, FleetID: "f"},
		keys.Group("main"):  fleet.Group{Format: fleet.Format, ID: "g", Name: "main", Topology: fleet.Sentinel, Phase: fleet.PhaseServing},
		keys.Goal("n1"):     fleet.Goal{Format: fleet.Format, Node: "n1", FleetID: "f", Epoch: 1},
		keys.Report("n1"):   fleet.Report{Format: fleet.Format, Node: "n1", Address: "10.0.0.11"},
		keys.Secret("main"): fleet.Secret{Format: fleet.Format, Group: "main", GroupID: "g", Version: 1},
		keys.Event("01"):    fleet.Event{At: time.Now(), Who: "c1", What: "it began"},
	} {
		value, err := records.Encode(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.Txn(t.Context(), consul.Set(key, value)); err != nil {
			t.Fatal(err)
		}
	}
	// A service of the group, so that there is something to hide from who may not see it.
	if err := root.Register(t.Context(), consul.Service{ID: name + "-n1", Name: name + "-main"}); err != nil {
		t.Fatal(err)
	}
	// A Consul agent that failed to compare its services with the catalog, as it can in
	// the first seconds, tries again 15 to 30 s later (K10).
	consultest.Eventually(t, 45*time.Second, func() (bool, string) {
		list, err := root.Services(t.Context(), name+"-main")
		return err == nil && len(list) == 1, "the service is not in the catalog"
	})
}

// moreGroups is a spec that adds a group to what fill made.
func moreGroups(t *testing.T, name string) string {
	t.Helper()
	text := strings.Replace(shopSpec, `"shop"`, `"`+name+`"`, 1)
	return file(t, "spec.toml", text+"\n[[group]]\nname = \"b\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nport = 7000\n[group.sentinel]\nport = 27000\n")
}

// under runs redfleet with a token of exactly this policy's rules.
func under(t *testing.T, acl *consultest.ACL, p policy.Policy, args ...string) outcome {
	t.Helper()
	args = append(args, "--consul", acl.Addr, "--token-file", acl.TokenFile(t, p.HCL()), "--fleet", p.Fleet)
	return redfleet(t, args...)
}

// TestViewerLooksAndChangesNothing: under the shipped policy status, verify and
// events say what they say to everybody; every write is refused and names the right
// that it lacks.
func TestViewerLooksAndChangesNothing(t *testing.T) {
	t.Parallel()
	acl, root := guarded(t)
	viewer := policy.Viewer("shop")
	under(t, acl, viewer, "status").want(t, exitGood, "main", "")
	under(t, acl, viewer, "verify").want(t, exitCheckFailed, "main", "")
	under(t, acl, viewer, "events").want(t, exitGood, "it began", "")

	got := under(t, acl, viewer, "apply", moreGroups(t, "shop"))
	got.want(t, exitOther, "", `missing right key "redfleet/shop/spec" write`)
	got.want(t, exitOther, "", "-append-policy-name redfleet-shop-operator")

	before := all(t, root)
	client := acl.Client(t, viewer.HCL())
	keys := fleet.KeysOf("shop")
	for _, key := range []string{
		keys.Spec(), keys.Control(), keys.Lease(), keys.Group("main"), keys.Group("new"), keys.Goal("n1"), keys.Report("n1"),
		keys.Secret("main"), keys.Event("02"), keys.Prefix() + "more", "elsewhere",
	} {
		_, err := client.Txn(t.Context(), consul.Set(key, []byte("x")))
		wantMissing(t, err, consul.Right{Resource: "key", Name: key, Access: "write"})
		_, err = client.Txn(t.Context(), consul.Delete(key))
		wantMissing(t, err, consul.Right{Resource: "key", Name: key, Access: "write"})
	}
	_, err := client.CreateSession(t.Context(), "x", time.Minute, 0)
	wantMissing(t, err, consul.Right{Resource: "session", Name: consultest.NodeName, Access: "write"})
	wantMissing(t, client.Register(t.Context(), consul.Service{ID: "x", Name: "shop-main"}),
		consul.Right{Resource: "service", Name: "shop-main", Access: "write"})
	wantMissing(t, client.Deregister(t.Context(), "shop-n1"), consul.Right{Resource: "service", Name: "shop-main", Access: "write"})
	_, _, err = client.Get(t.Context(), keys.Secret("main"))
	wantMissing(t, err, consul.Right{Resource: "key", Name: keys.Secret("main"), Access: "read"})
	if after := all(t, root); after != before {
		t.Errorf("the records are\n%s\nand were\n%s", after, before)
	}
}

func wantMissing(t *testing.T, err error, right consul.Right) {
	t.Helper()
	var d *consul.DeniedError
	if !errors.As(err, &d) || !slices.Equal(d.Rights, []consul.Right{right}) {
		t.Errorf("error %v, want one for want of %v", err, right)
	}
}

func all(t *testing.T, root *consul.Client) string {
	t.Helper()
	entries, err := root.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Key + "=" + string(e.Value) + "\n")
	}
	return b.String()
}

// TestEachRightOfAPersonIsNeeded takes each rule of the viewer's and the operator's
// policy away: then a command is refused that works with it, and says for want of what.
func TestEachRightOfAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	acl, root := guarded(t)
	for _, p := range []policy.Policy{policy.Viewer("x"), policy.Operator("x", operatorsNode())} {
		for i, rule := range p.Rules {
			t.Run(p.Role+" without "+strings.ReplaceAll(rule.String(), "/", "."), func(t *testing.T) {
				t.Parallel()
				personWithout(t, acl, root, p.Role, i)
			})
		}
	}
}

func personWithout(t *testing.T, acl *consultest.ACL, root *consul.Client, role string, i int) {
	t.Helper()
	name := fmt.Sprintf("%s-%d", role, i)
	fill(t, root, name)
	p, commands := policy.Viewer(name), [][]string{{"status"}, {"events"}}
	if role == policy.RoleOperator {
		p, commands = policy.Operator(name, operatorsNode()), append(commands, []string{"apply", moreGroups(t, name)})
	}
	dropped := p.Rules[i]
	if strings.Contains(dropped.Name, "/request/") {
		serve(t, root, name)
		commands = [][]string{{"node", "remove", "n3", "--yes"}}
	}
	p.Rules = slices.Delete(slices.Clone(p.Rules), i, i+1)
	if dropped.Resource == "session" || strings.HasSuffix(dropped.Name, "/drill") {
		wantMissing(t, drillLock(t, acl, p), dropped.Right)
		return
	}
	for _, args := range commands {
		got := under(t, acl, p, args...)
		if got.code == exitOther && strings.Contains(got.stderr, "missing right") && namesRule(got.stderr, dropped) {
			return
		}
	}
	t.Errorf("no command was refused for want of %v", dropped)
}

// operatorsNode is where the operator's commands run.
func operatorsNode() policy.Node { return policy.Node{Consul: consultest.NodeName} }

// drillLock takes the lock of a drill under exactly this policy, and gives it up.
func drillLock(t *testing.T, acl *consultest.ACL, p policy.Policy) error {
	t.Helper()
	ran := false
	err := rehearsal.Locked(t.Context(), acl.Client(t, p.HCL()), effect.New(nil), p.Fleet, "a test", time.Minute, func(context.Context) error {
		ran = true
		return nil
	})
	if ran == (err != nil) {
		t.Errorf("under the lock: %v, with the error %v", ran, err)
	}
	return err
}

// namesRule: what is missing is said by the key itself, or by the folder.
func namesRule(text string, r policy.Rule) bool {
	if r.Resource != "key" {
		return strings.Contains(text, r.Resource)
	}
	return strings.Contains(text, `"`+r.Name) && strings.Contains(text, r.Access)
}

// TestOperatorsPolicyIsEnough: all that people do with a fleet works under it.
func TestOperatorsPolicyIsEnough(t *testing.T) {
	t.Parallel()
	acl, _ := guarded(t)
	operator := policy.Operator("shop", operatorsNode())
	if err := drillLock(t, acl, operator); err != nil {
		t.Errorf("the lock of a drill: %v", err)
	}
	under(t, acl, operator, "apply", moreGroups(t, "shop")).want(t, exitGood, "applied", "")
	under(t, acl, operator, "status").want(t, exitGood, "main", "")
	// It reads the sealed secret; that this one cannot be opened is another matter.
	under(t, acl, operator, "credentials", "show", "main", "--key", file(t, "none", "")+".missing").want(t, exitOther, "", "key is missing")
}

// TestRefusalsNameTheWayOn: no token, and one that Consul does not know.
func TestRefusalsNameTheWayOn(t *testing.T) {
	t.Parallel()
	acl, _ := guarded(t)
	redfleet(t, "status", "--fleet", "shop", "--consul", acl.Addr).
		want(t, exitOther, "", "next: name the file of a token with the policy redfleet-shop-viewer in --token-file")
	unknown := file(t, "token", "99999999-2222-3333-4444-555555555555\n")
	redfleet(t, "status", "--fleet", "shop", "--consul", acl.Addr, "--token-file", unknown).
		want(t, exitOther, "", "does not know this token")
}
