package machine

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMirror(t *testing.T) {
	const deb822 = `# a comment
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
`
	cases := []struct {
		name, suite, want string
		files             map[string]string
	}{
		{name: "stanza", suite: "bookworm", want: "http://mirror.example/debian",
			files: map[string]string{"sources.list.d/debian.sources": deb822}},
		{name: "another suite of the same mirror", suite: "trixie", want: "http://mirror.example/debian",
			files: map[string]string{"sources.list.d/debian.sources": deb822}},
		{name: "the suite's own comes first", suite: "trixie", want: "https://other.example/debian",
			files: map[string]string{
				"sources.list.d/debian.sources": deb822,
				"sources.list":                  "deb-src http://x.example/ trixie main\ndeb [arch=amd64 signed-by=/k.gpg] https://other.example/debian trixie main # here\n",
			}},
		{name: "vendors' repositories are none", suite: "bookworm",
			files: map[string]string{"sources.list": "deb http://vendor.example/ stable-vendor main\n"}},
		{name: "disabled", suite: "bookworm",
			files: map[string]string{"sources.list.d/a.sources": "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"}},
		{name: "no sources at all", suite: "bookworm"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			etc := fstest.MapFS{}
			for name, text := range c.files {
				etc[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := mirror(etc, c.suite)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestCutRules(t *testing.T) {
	c := cuts{
		nodes:  map[string]bool{"n1": true},
		oneWay: map[[2]string]bool{{"02::12", "02::13"}: true, {"02::11", "02::12"}: true},
	}
	const want = `table bridge faults
delete table bridge faults
table bridge faults {
  chain prerouting {
    type filter hook prerouting priority 0;
    iifname "n1" drop
  }
  chain forward {
    type filter hook forward priority 0;
    ether type != arp ether saddr 02::11 ether daddr 02::12 drop
    ether type != arp ether saddr 02::12 ether daddr 02::13 drop
  }
  chain postrouting {
    type filter hook postrouting priority 0;
    oifname "n1" drop
  }
}
`
	if diff := cmp.Diff(want, c.rules()); diff != "" {
		t.Error(diff)
	}
	c.heal("n1", "02::11")
	if len(c.nodes) != 0 || len(c.oneWay) != 1 {
		t.Errorf("after healing n1 there are %v and %v", c.nodes, c.oneWay)
	}
}

func TestRecipeName(t *testing.T) {
	consul := t.TempDir() + "/consul"
	if err := copyFile("/proc/self/comm", consul, 0o755); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for what, r := range map[string]recipe{
		"plain":          newRecipe(Options{Suite: "bookworm", Consul: consul}),
		"no engines":     newRecipe(Options{Suite: "bookworm", Engines: NoEngines, Consul: consul}),
		"another suite":  newRecipe(Options{Suite: "trixie", Consul: consul}),
		"a package more": newRecipe(Options{Suite: "bookworm", Packages: []string{"strace"}, Consul: consul}),
		"another Consul": newRecipe(Options{Suite: "bookworm", Consul: "/proc/self/status"}),
	} {
		name, err := r.name()
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := names[name]; taken {
			t.Errorf("%s and %s have the same image %s", what, other, name)
		}
		names[name] = what
	}
	same, err := newRecipe(Options{Suite: "bookworm", Packages: []string{"curl"}, Consul: consul}).name()
	if err != nil || names[same] != "plain" {
		t.Errorf("a package that is there already makes another image: %s, %v", same, err)
	}
}

func TestLineKeepsOrder(t *testing.T) {
	line := Line{Delay: 40 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.25}
	start := time.Unix(0, 0)
	var last time.Time
	for _, c := range []struct{ came, chance, want float64 }{
		{came: 0, chance: 0.5, want: 40}, {came: 1, chance: 0.75, want: 46}, {came: 2, chance: 0, want: 46}, {came: 30, chance: 0, want: 60},
	} {
		at := func(ms float64) time.Time { return start.Add(time.Duration(ms * float64(time.Millisecond))) }
		last = line.due(at(c.came), last, c.chance)
		if !last.Equal(at(c.want)) {
			t.Errorf("a packet of %v ms, chance %v, leaves after %s, want %v ms", c.came, c.chance, last.Sub(start), c.want)
		}
	}
	if !line.loses(0.2) || line.loses(0.25) || (Line{}).loses(0) || !(Line{Loss: 1}).loses(0.999) {
		t.Error("not the share of packets is lost that was asked for")
	}
}
