package join

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is one that could join fleet "shop" as n1, at 127.0.0.1, on a Consul that
// denies by default.
type machine struct {
	t    *testing.T
	acl  *consultest.ACL
	root *consul.Client
	key  secret.Key
	o    Options
}

// n1 is the machine as Consul knows it.
func n1() policy.Node { return policy.Node{Name: "n1", Consul: consultest.NodeName} }

func newMachine(t *testing.T, acl *consultest.ACL) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, acl: acl, root: acl.Root(t)}
	m.key, m.o.KeyFile = newKey(t, "shop")
	m.o.Consul, m.o.Node, m.o.Address, m.o.loopback = acl.Addr, "n1", "127.0.0.1", true
	m.o.Etc = filepath.Join(dir, "etc")
	m.o.TokenFile = acl.TokenFile(t, policy.Agent("shop", n1()).HCL())
	return m
}

func newKey(t *testing.T, fleetName string) (secret.Key, string) {
	t.Helper()
	key, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fleet.key")
	if err := key.ForFleet(fleetName).WriteKey(path); err != nil {
		t.Fatal(err)
	}
	return key, path
}

// join prepares and writes, and gives the files that were written.
func (m *machine) join() []string {
	m.t.Helper()
	plan, err := Prepare(m.t.Context(), m.o)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := plan.Write(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for _, f := range plan.Files {
		names = append(names, filepath.Base(f.Path))
	}
	return names
}

// refused checks that nothing is prepared, for this reason.
func (m *machine) refused(want string) error {
	m.t.Helper()
	plan, err := Prepare(m.t.Context(), m.o)
	if err == nil || !strings.Contains(err.Error(), want) {
		m.t.Errorf("prepared %v, error %v; want one with %q", plan != nil, err, want)
	}
	return err
}

// TestJoinWritesWhatTheDaemonsRead, each as it must be, and a second time nothing.
func TestJoinWritesWhatTheDaemonsRead(t *testing.T) {
	t.Parallel()
	m := newMachine(t, consultest.StartACL(t))
	m.o.Coordinator, m.o.CoordinatorToken = true, m.acl.TokenFile(t, policy.Coordinator("shop", n1()).HCL())
	want := []string{"fleet.key", "consul.token", "coordinator.token", "agent.toml", "coordinator.toml"}
	if got := m.join(); !slices.Equal(got, want) {
		t.Errorf("it wrote %v, want %v", got, want)
	}
	for name, mode := range map[string]os.FileMode{
		"fleet.key": 0o600, "consul.token": 0o600, "coordinator.token": 0o600, "agent.toml": 0o644, "coordinator.toml": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(m.o.Etc, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", name, info.Mode(), err, mode)
		}
	}
	a, err := specfile.ReadAgent(filepath.Join(m.o.Etc, "agent.toml"))
	if err != nil || a.Fleet != "shop" || a.Node != "n1" || a.Address != "127.0.0.1" || a.Consul.Address != m.acl.Addr {
		t.Errorf("agent.toml is %+v, %v", a, err)
	}
	c, err := specfile.ReadCoordinator(filepath.Join(m.o.Etc, "coordinator.toml"), "")
	if err != nil || c.Fleet != "shop" || c.Name != "n1" || filepath.Base(c.Consul.TokenFile) != "coordinator.token" {
		t.Errorf("coordinator.toml is %+v, %v", c, err)
	}
	if got := m.join(); len(got) != 0 {
		t.Errorf("a second run wrote %v", got)
	}
	// Without the flags, what the files say counts.
	m.o.Node, m.o.Address, m.o.TokenFile, m.o.CoordinatorToken, m.o.Consul = "", "", "", "", ""
	m.o.Coordinator = false
	if got := m.join(); len(got) != 0 {
		t.Errorf("a run without flags wrote %v", got)
	}
}

// TestWhatIsThereIsKept: settings and files of the operator are never lost.
func TestWhatIsThereIsKept(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	t.Run("the package's file, in which nothing is set, is filled in", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, acl)
		m.put("agent.toml", specfile.CommentedAgent(specfile.AgentConfig{}))
		if got := m.join(); !slices.Contains(got, "agent.toml") {
			t.Errorf("it wrote %v", got)
		}
	})
	t.Run("a file that says the same in other words stays", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, acl)
		mine := "# mine\nnode = 'n1'\naddress = '127.0.0.1'\nfleet = 'shop'\nzone = 'a'\nkey_file = '" + filepath.Join(m.o.Etc, "fleet.key") +
			"'\nconsul = { address = '" + acl.Addr + "', token_file = '" + filepath.Join(m.o.Etc, "consul.token") + "' }\n"
		m.put("agent.toml", mine)
		if got := m.join(); slices.Contains(got, "agent.toml") || m.read("agent.toml") != mine {
			t.Errorf("it wrote %v", got)
		}
	})
	t.Run("a file that says something else is refused with the difference, or kept beside", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, acl)
		mine := "fleet = 'shop'\nnode = 'db1'\nzone = 'a'\n"
		m.put("agent.toml", mine)
		m.put("consul.token", "other\n")
		if err := m.refused("it holds another token"); !errors.Is(err, ErrDiffers) {
			t.Errorf("error %v", err)
		}
		m.put("consul.token", readFile(t, m.o.TokenFile))
		m.refused("\n- node = db1\n+ node = n1")
		if m.read("agent.toml") != mine {
			t.Error("a refused run changed the file")
		}
		m.o.Force = true
		m.join()
		if !strings.Contains(m.read("agent.toml"), "\nzone = \"a\"\n") {
			t.Error("the zone is gone")
		}
		kept, err := filepath.Glob(filepath.Join(m.o.Etc, "agent.toml.before-join-*"))
		if err != nil || len(kept) != 1 || m.read(filepath.Base(kept[0])) != mine {
			t.Errorf("beside it are %v, %v", kept, err)
		}
	})
	t.Run("another key is refused", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, acl)
		other, _ := newKey(t, "")
		if err := os.MkdirAll(m.o.Etc, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := other.WriteKey(filepath.Join(m.o.Etc, "fleet.key")); err != nil {
			t.Fatal(err)
		}
		m.refused("it holds another key, " + other.Recipient())
	})
	t.Run("a file that cannot be read is refused", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, acl)
		m.put("agent.toml", "fleeet = 'x'\n")
		m.refused("did you mean fleet")
	})
}

func (m *machine) put(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(m.o.Etc, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.o.Etc, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.t.Helper()
	return readFile(m.t, filepath.Join(m.o.Etc, name))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func encode(t *testing.T, record any) []byte {
	t.Helper()
	text, err := records.Encode(record)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEachRightIsLookedForBeforehand: a token that lacks any one right of its policy
// is refused by its name, and nothing is written.
func TestEachRightIsLookedForBeforehand(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	for _, p := range []policy.Policy{policy.Agent("shop", n1()), policy.Coordinator("shop", n1())} {
		for i, rule := range p.Rules {
			t.Run(p.Role+" without "+strings.ReplaceAll(rule.String(), "/", "."), func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, acl)
				short := p
				short.Rules = slices.Delete(slices.Clone(p.Rules), i, i+1)
				if p.Role == policy.RoleAgent {
					m.o.TokenFile = acl.TokenFile(t, short.HCL())
				} else {
					m.o.Coordinator, m.o.CoordinatorToken = true, acl.TokenFile(t, short.HCL())
				}
				err := m.refused("missing right " + rule.String())
				var denied *consul.DeniedError
				if !errors.As(err, &denied) || !slices.ContainsFunc(denied.Rights, rule.Grants) {
					t.Errorf("error %v names other rights", err)
				}
				if _, err := os.Stat(m.o.Etc); err == nil {
					t.Error("it wrote something")
				}
			})
		}
	}
}

// TestWrongFleets: a name that a live agent has, another fleet's key, a Consul that
// is not there.
func TestWrongFleets(t *testing.T) {
	t.Parallel()
	acl := consultest.StartACL(t)
	m := newMachine(t, acl)
	keys := fleet.KeysOf("shop")
	session, err := m.root.CreateSession(t.Context(), "n1", 3600e9, 0)
	if err != nil {
		t.Fatal(err)
	}
	report := func(address string) []byte {
		return encode(t, fleet.Report{Format: fleet.Format, Node: "n1", Address: address, MachineID: "m9", Boot: "b1"})
	}
	if _, err := m.root.Txn(t.Context(), consul.Lock(keys.Report("n1"), report("10.0.0.9"), session)); err != nil {
		t.Fatal(err)
	}
	if err := m.refused("an agent at 10.0.0.9 (machine m9) reports as node \"n1\", and this machine is at 127.0.0.1"); !errors.Is(err, ErrTaken) {
		t.Errorf("error %v", err)
	}
	if err := m.root.DestroySession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	plan, err := Prepare(t.Context(), m.o)
	if err != nil || len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "reported from 10.0.0.9 before") {
		t.Errorf("with the other agent gone: %+v, %v", plan, err)
	}
	if _, err := m.root.Txn(t.Context(), consul.Set(keys.Report("n1"), report("127.0.0.1"))); err != nil {
		t.Fatal(err)
	}
	if plan, err = Prepare(t.Context(), m.o); err != nil || plan.boot != "b1" {
		t.Errorf("with an earlier run of its own: %v", err)
	}

	other, _ := newKey(t, "")
	for _, ops := range [][]consul.Op{
		{m.set(keys.Control(), fleet.Control{Format: fleet.Format, FleetID: "f", Recipient: other.Recipient()})},
		{m.set(keys.Control(), fleet.Control{Format: fleet.Format, FleetID: "f"}),
			m.set(keys.Secret("main"), fleet.Secret{Format: fleet.Format, Group: "main", Recipient: other.Recipient()})},
	} {
		if _, err := m.root.Txn(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		m.refused("is not the key of fleet \"shop\": its public half is " + m.key.Recipient() + ", the fleet's is " + other.Recipient())
	}

	m.o.Fleet = "other"
	m.refused(`--fleet is "other", and ` + m.o.KeyFile + ` is the key of fleet "shop"`)
	m.o.Fleet, m.o.Consul = "", "127.0.0.1:1"
	if err := m.refused("start the Consul agent of this machine"); !errors.Is(err, consul.ErrOut) {
		t.Errorf("error %v", err)
	}
	_, m.o.KeyFile = newKey(t, "")
	m.refused("which fleet is not known")
}

func (m *machine) set(key string, record any) consul.Op {
	return consul.Set(key, encode(m.t, record))
}

func TestChooseAddress(t *testing.T) {
	t.Parallel()
	a, b, c := netip.MustParseAddr("10.0.0.11"), netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("172.16.0.1")
	loop := netip.MustParseAddr("127.0.0.1")
	for name, tt := range map[string]struct {
		advertised, source netip.Addr
		own                []netip.Addr
		want               netip.Addr
		problem            string
	}{
		"what Consul advertises":         {a, b, []netip.Addr{b, a}, a, ""},
		"Consul is another machine":      {c, b, []netip.Addr{a, b}, b, ""},
		"Consul cannot be asked":         {netip.Addr{}, b, []netip.Addr{a, b}, b, ""},
		"only one there is":              {loop, loop, []netip.Addr{a}, a, ""},
		"two, and Consul at loopback":    {loop, loop, []netip.Addr{a, b}, netip.Addr{}, "one of 10.0.0.11, 192.168.1.5"},
		"none, and Consul at loopback":   {loop, loop, nil, netip.Addr{}, "no address but loopback ones"},
		"two, and nothing known besides": {netip.Addr{}, netip.Addr{}, []netip.Addr{a, b}, netip.Addr{}, "--address"},
	} {
		got, _, err := chooseAddress(tt.advertised, tt.source, tt.own)
		if got != tt.want || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s: %v, %v; want %v, %q", name, got, err, tt.want, tt.problem)
		}
	}
	if got := sourceTowards(t.Context(), "http://127.0.0.1:8500"); got != loop {
		t.Errorf("packets to loopback leave from %v", got)
	}
}
