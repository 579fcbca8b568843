package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

const shopNodes = "n1=10.0.0.11,n2=10.0.0.12,n3=10.0.0.13"

// TestInitMakesWhatAFleetBeginsWith: what it writes can be used as it is, and a
// second run changes nothing.
func TestInitMakesWhatAFleetBeginsWith(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"three with sentinels": {"--nodes", shopNodes},
		"two, replication":     {"--nodes", "n1=10.0.0.11,n2=10.0.0.12", "--topology", "replication"},
		"valkey, IPv6":         {"--nodes", "a=fd00::1,b=fd00::2,c=fd00::3", "--engine", "valkey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "shop")
			args := append([]string{"init", "--fleet", "shop", "--dir", dir}, more...)
			redfleet(t, args...).want(t, exitGood, "consul acl token create", "")
			redfleet(t, "spec", "check", filepath.Join(dir, "fleet.toml")).want(t, exitGood, "is good: fleet shop", "")
			key, err := secret.LoadKey(filepath.Join(dir, "fleet.key"))
			if err != nil || key.Fleet() != "shop" {
				t.Errorf("the key is of fleet %q, %v", key.Fleet(), err)
			}
			if _, err := specfile.ReadAgent(filepath.Join(dir, "agent.toml")); err != nil {
				t.Error(err)
			}
			if _, err := specfile.ReadCoordinator(filepath.Join(dir, "coordinator.toml"), ""); err != nil {
				t.Error(err)
			}
			before := tree(t, dir)
			if got := redfleet(t, args...); got.code != exitGood || strings.Contains(got.stdout, "made ") || strings.Contains(got.stdout, "kept ") {
				t.Errorf("a second run: %+v", got)
			}
			if tree(t, dir) != before {
				t.Error("a second run changed something")
			}
		})
	}
}

// tree is all of a folder: names, modes and contents.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String() + "\n")
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInitRefuses: what makes no fleet leaves nothing behind, and what is there is
// never written over.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shop")
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no nodes":           {[]string{"--fleet", "shop"}, exitUsage, "--nodes n1=10.0.0.11"},
		"no address":         {[]string{"--fleet", "shop", "--nodes", "n1"}, exitUsage, "has no address"},
		"no such address":    {[]string{"--fleet", "shop", "--nodes", "n1=here"}, exitUsage, "no IP address"},
		"a bad name":         {[]string{"--fleet", "shop", "--nodes", "N1=10.0.0.1"}, exitUsage, "cannot be the name of a node"},
		"a bad fleet":        {[]string{"--fleet", "Shop", "--nodes", shopNodes}, exitUsage, "cannot be the name of a fleet"},
		"one address twice":  {[]string{"--fleet", "shop", "--nodes", "n1=10.0.0.1,n2=10.0.0.1"}, exitOther, "have the same address"},
		"one name twice":     {[]string{"--fleet", "shop", "--nodes", "n1=10.0.0.1,n1=10.0.0.2"}, exitOther, "no spec that can be used"},
		"an unknown engine":  {[]string{"--fleet", "shop", "--nodes", shopNodes, "--engine", "rediss"}, exitOther, "no spec that can be used"},
		"unreachable Consul": {[]string{"--fleet", "shop", "--nodes", shopNodes, "--consul", "127.0.0.1:1"}, exitUnreachable, "Consul is out"},
	} {
		redfleet(t, append([]string{"init", "--dir", dir}, tt.args...)...).want(t, tt.code, "", tt.want)
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("%s: it made the folder all the same", name)
		}
	}
	redfleet(t, "init", "--dir", dir, "--fleet", "shop", "--nodes", shopNodes).want(t, exitGood, "made", "")
	redfleet(t, "init", "--dir", dir, "--fleet", "other", "--nodes", shopNodes).want(t, exitOther, "", `has the key of fleet "shop"`)
	mine := filepath.Join(dir, "fleet.toml")
	if err := os.WriteFile(mine, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	redfleet(t, "init", "--dir", dir, "--fleet", "shop", "--nodes", shopNodes).want(t, exitGood, "kept   "+mine, "")
	if text, err := os.ReadFile(mine); err != nil || string(text) != "# mine\n" {
		t.Errorf("%s is now %q, %v", mine, text, err)
	}
}

// TestInitMakesTokens on a real Consul that denies by default: each role's token has
// just its policy, and a run after one that was cut off makes no second ones.
func TestInitMakesTokens(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	dir := filepath.Join(t.TempDir(), "shop")
	args := []string{"init", "--dir", dir, "--fleet", "shop", "--nodes", shopNodes, "--consul", acl.Addr}

	// A token that may not: nothing is written, and the right is named.
	redfleet(t, append(args, "--token-file", acl.TokenFile(t, `key "x" { policy = "read" }`))...).
		want(t, exitOther, "", "missing right acl read")
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a refused init left a folder")
	}

	args = append(args, "--token-file", acl.RootFile(t))
	first := redfleet(t, args...)
	first.want(t, exitGood, "made   Consul's policy redfleet-shop-agent-n2", "")
	before := tree(t, dir)
	root := acl.Root(t)
	for _, title := range []string{"agent-n1", "agent-n2", "agent-n3", "coordinator", "operator", "viewer", "recovery"} {
		token, found, err := root.FindToken(t.Context(), "redfleet-shop-"+title)
		if err != nil || !found || len(token.Policies) != 1 || token.Policies[0] != "redfleet-shop-"+title {
			t.Fatalf("the token of %s: %v %v, %v", title, found, token.Policies, err)
		}
		path := filepath.Join(dir, "tokens", title+".token")
		text, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(text)) != token.Secret {
			t.Errorf("%s holds something else than the token, %v", path, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.Contains(first.stdout+first.stderr, token.Secret) {
			t.Errorf("the output shows the token of %s", title)
		}
	}

	// A file that was lost is written again, with the same token.
	if err := os.Remove(filepath.Join(dir, "tokens", "viewer.token")); err != nil {
		t.Fatal(err)
	}
	if got := redfleet(t, args...); got.code != exitGood || strings.Count(got.stdout, "made ") != 1 {
		t.Errorf("a run after a lost file: %+v", got)
	}
	if tree(t, dir) != before {
		t.Error("the folder is not what it was")
	}
	// A fleet that grows: the new node's token is made, and what is there is widened by
	// the command that is named.
	grown := slices.Clone(args)
	grown[slices.Index(grown, shopNodes)] = shopNodes + ",n4=10.0.0.14"
	rules := filepath.Join(dir, "policies", "coordinator.hcl.new")
	redfleet(t, grown...).want(t, exitGood, "consul acl policy update -name redfleet-shop-coordinator -rules @"+rules, "")
	if text, err := os.ReadFile(rules); err != nil || !strings.Contains(string(text), `session "n4"`) {
		t.Errorf("%s: %v\n%s", rules, err, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "tokens", "agent-n4.token")); err != nil {
		t.Error(err)
	}
	// A token of somewhere else is not taken for ours.
	if err := os.WriteFile(filepath.Join(dir, "tokens", "viewer.token"), []byte("other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	redfleet(t, args...).want(t, exitOther, "", "holds another token than Consul has")
}

// TestInitWithoutACLs: there is nothing to make in Consul, and that is said.
func TestInitWithoutACLs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	redfleet(t, "init", "--dir", filepath.Join(t.TempDir(), "shop"), "--fleet", "shop", "--nodes", shopNodes, "--consul", s.address).
		want(t, exitGood, "ACLs switched off", "")
}
