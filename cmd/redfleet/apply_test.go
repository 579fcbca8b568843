package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// devFaults makes each request below a path fail; none for an empty path.
func devFaults(path string) devconsul.Faults {
	if path == "" {
		return devconsul.Faults{}
	}
	return devconsul.Faults{Path: path, Error: 500}
}

const planted = "planted-Secret_42"

func TestApply(t *testing.T) {
	s := newSite(t)
	spec := file(t, "spec.toml", shopSpec)
	s.run("apply", spec).want(t, exitGood, "+ main", "")
	if diff := cmp.Diff(shopRecord().Spec, s.spec().Spec); diff != "" {
		t.Errorf("in Consul is another spec: %s", diff)
	}
	s.run("apply", spec).want(t, exitGood, "nothing to change", "")

	more := shopSpec + "\n[[group]]\nname = \"other\"\nnodes = [\"n1\"]\nport = 7000\ntopology = \"replication\"\n"
	s.run("apply", file(t, "spec.toml", more)).want(t, exitGood, "+ other", "")
	if len(s.spec().Spec.Groups) != 2 {
		t.Errorf("groups: %+v", s.spec().Spec.Groups)
	}
}

func TestApplyRefuses(t *testing.T) {
	tests := map[string]struct {
		before func(s *site)
		spec   string
		args   []string
		code   int
		want   string
	}{
		"a bad spec":  {nil, strings.Replace(shopSpec, "nodes", "noods", 1), nil, exitOther, "spec.toml:6"},
		"a change":    {applied, shopSpec + "[group.sentinel]\nquorum = 3\n", nil, exitOther, "sentinel.quorum is 2, not 3"},
		"a removal":   {applied, strings.Replace(shopSpec, `"main"`, `"new"`, 1), nil, exitOther, `group "main": the new spec leaves it out`},
		"later":       {applied, shopSpec + "port = 7000\n", nil, exitOther, "a later release"},
		"a lost spec": {elected, shopSpec, nil, exitOther, "no spec for it"},
		"no node of the group": {
			nil, shopSpec, []string{"--initial-master", "n9"}, exitUsage, `"n9" is none of them`},
		"no such group": {
			nil, shopSpec, []string{"--initial-master", "other=n1"}, exitUsage, `no group "other"`},
		"elected already": {
			func(s *site) { applied(s); elected(s) }, shopSpec, []string{"--initial-master", "n2"}, exitUsage, "elected its first master already"},
		"another fleet": {nil, shopSpec, []string{"--fleet", "store"}, exitUsage, `spec of fleet "shop"`},
		"no password file": {
			nil, shopSpec + "password = { file = \"/no/such/file\" }\n", nil, exitOther, "/no/such/file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if tc.before != nil {
				tc.before(s)
			}
			before := s.raw()
			s.run(append([]string{"apply", file(t, "spec.toml", tc.spec)}, tc.args...)...).want(t, tc.code, "", tc.want)
			if diff := cmp.Diff(before, s.raw()); diff != "" {
				t.Errorf("something was written: %s", diff)
			}
		})
	}
}

func applied(s *site) { s.put(s.keys.Spec(), shopRecord()) }

func elected(s *site) {
	s.put(s.keys.Group("main"), fleet.Group{Format: fleet.Format, ID: "g", Name: "main", Topology: fleet.Sentinel,
		Decision: fleet.Decision{Node: "n1", Reason: "first by name"}, Phase: fleet.PhaseServing})
}

func TestApplyInitialMaster(t *testing.T) {
	s := newSite(t)
	applied(s)
	spec := file(t, "spec.toml", shopSpec)
	s.run("apply", spec, "--initial-master", "n2").want(t, exitGood, "n2", "")
	if got := s.spec().InitialMaster["main"]; got != "n2" {
		t.Errorf("the answer in Consul is %q", got)
	}
	s.run("apply", spec, "--initial-master", "main=n2").want(t, exitGood, "nothing to change", "")
}

func TestApplySealsThePassword(t *testing.T) {
	s := newSite(t)
	password := file(t, "password", planted+"\n")
	spec := file(t, "spec.toml", shopSpec+"password = { file = \""+password+"\" }\n")
	out := s.run("apply", spec)
	out.want(t, exitGood, "from "+password, "")
	if text := out.stdout + out.stderr + s.raw(); strings.Contains(text, planted) {
		t.Error("the password is on the screen or in Consul")
	}
	got, err := s.key.Open(s.spec().Passwords["main"], s.key.Recipient())
	if err != nil || got.Reveal() != planted {
		t.Errorf("what was sealed does not open: %v", err)
	}
	s.run("apply", spec).want(t, exitGood, "nothing to change", "")

	if err := os.WriteFile(password, []byte("another-one"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("apply", spec).want(t, exitOther, "", "another password than the one in use")

	s.keyFile = filepath.Join(t.TempDir(), "other.key")
	other, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.WriteKey(s.keyFile); err != nil {
		t.Fatal(err)
	}
	s.run("apply", spec).want(t, exitOther, "", other.Recipient())
}

// Somebody else's spec, written between reading and writing, stays.
func TestApplyLosesTheRace(t *testing.T) {
	s := newSite(t)
	_, entry, err := readForApply(t.Context(), s.client, "shop")
	if err != nil {
		t.Fatal(err)
	}
	applied(s)
	err = writeSpec(t.Context(), s.client, "shop", shopRecord(), entry)
	if exitCode(err) != exitLocked {
		t.Errorf("creating: error %v with exit code %d", err, exitCode(err))
	}
	_, entry, err = readForApply(t.Context(), s.client, "shop")
	if err != nil {
		t.Fatal(err)
	}
	rec := shopRecord()
	rec.InitialMaster = map[string]string{"main": "n3"}
	s.put(s.keys.Spec(), rec)
	if err = writeSpec(t.Context(), s.client, "shop", shopRecord(), entry); exitCode(err) != exitLocked {
		t.Errorf("changing: error %v with exit code %d", err, exitCode(err))
	}
	if s.spec().InitialMaster["main"] != "n3" {
		t.Error("the other one's spec is gone")
	}
}

func TestSpecCheck(t *testing.T) {
	tests := map[string]struct {
		spec  string
		code  int
		wants []string
	}{
		"good":      {shopSpec, exitGood, nil},
		"typo":      {strings.Replace(shopSpec, "nodes", "nodess", 1), exitOther, []string{"spec.toml:6: ", "did you mean nodes?"}},
		"two typos": {shopSpec + "prot = 1\nengin = \"x\"\n", exitOther, []string{"spec.toml:7: ", "spec.toml:8: ", "2 errors"}},
		"a directive that the engine does not know": {
			shopSpec + "[group.config]\nappendonly = \"yes\"\nmaxmemry = \"1gb\"\n", exitOther,
			[]string{"spec.toml:9: group[0].config.maxmemry", "did you mean maxmemory?"}},
		"a value that the engine refuses": {
			shopSpec + "[group.config]\nmaxmemory = \"lots\"\n", exitOther, []string{"spec.toml:8: ", "memory value"}},
		"a directive that redfleet owns": {
			shopSpec + "[group.config]\nrequirepass = \"x\"\n", exitOther, []string{"spec.toml:8: ", "password"}},
		"two sentinels are a warning": {
			shopSpec + "[group.sentinel]\nnodes = [\"n1\", \"n2\"]\n", exitGood, []string{"warning: "}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := redfleet(t, "spec", "check", file(t, "spec.toml", tc.spec))
			out.want(t, tc.code, "", "")
			for _, want := range tc.wants {
				if !strings.Contains(out.stderr, want) {
					t.Errorf("stderr does not say %q:\n%s", want, out.stderr)
				}
			}
		})
	}
}

func TestSpecCheckWithoutAnEngine(t *testing.T) {
	spec := file(t, "spec.toml", shopSpec+"[group.config]\nmaxmemory = \"1gb\"\n")
	redfleet(t, "spec", "check", spec, "--redis-server", "/no/such/redis-server").
		want(t, exitGood, "is good", `not checked: the directives of group "main"`)
	redfleet(t, "spec", "check", "/no/such/spec.toml").want(t, exitOther, "", "/no/such/spec.toml")
}

func TestCredentials(t *testing.T) {
	s := newSite(t)
	applied(s)
	s.run("credentials", "show", "main").want(t, exitOther, "", "no password yet")
	s.run("credentials", "show", "mian").want(t, exitUsage, "", `did you mean "main"?`)

	password, err := secret.NewPassword(planted)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(s.key.Recipient(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.put(s.keys.Secret("main"), fleet.Secret{Format: fleet.Format, Group: "main", Version: 1, Recipient: s.key.Recipient(), Sealed: sealed})
	if out := s.run("credentials", "show", "main"); out.stdout != planted+"\n" || out.stderr != "" || out.code != exitGood {
		t.Errorf("got %+v", out)
	}

	other, err := secret.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	right := s.key.Recipient()
	s.keyFile = filepath.Join(t.TempDir(), "other.key")
	if err := other.WriteKey(s.keyFile); err != nil {
		t.Fatal(err)
	}
	out := s.run("credentials", "show", "main")
	out.want(t, exitOther, "", other.Recipient())
	out.want(t, exitOther, "", right)
	if out.stdout != "" {
		t.Errorf("with the wrong key stdout says %q", out.stdout)
	}
	if err := os.Chmod(s.keyFile, 0o644); err != nil { //nolint:gosec // what is refused
		t.Fatal(err)
	}
	s.run("credentials", "show", "main").want(t, exitOther, "", "chmod")
	s.keyFile = "/no/such/key"
	s.run("credentials", "show", "main").want(t, exitOther, "", "/no/such/key")
}
