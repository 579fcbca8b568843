package distro

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redistest"
	"github.com/redfleet/redfleet/systemd"
)

const (
	shippedUnit = "/lib/systemd/system/redis-server.service"
	ownUnit     = "/etc/systemd/system/redis-server.service"
)

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string { return redistest.Write(t, dir, name, []byte(text)) }
	write("more.conf", "requirepass geheim\nport 7002\n")
	deep := write("deep.conf", "include "+filepath.Join(dir, "deep.conf")+"\n")
	for name, tc := range map[string]struct {
		argv     []string
		sentinel bool
		ask      string
		ports    []int
		password string
		dir      string
		watches  int
		err      string
	}{
		"nothing said":          {argv: []string{"redis-server"}, ask: "127.0.0.1:6379", ports: []int{6379}, dir: "/"},
		"a package's":           {argv: []string{"redis-server", write("a.conf", "bind 127.0.0.1 -::1\nport 6379\ndir /var/lib/redis\n"), "--supervised", "systemd", "--daemonize", "no"}, ask: "127.0.0.1:6379", ports: []int{6379}, dir: "/var/lib/redis"},
		"all addresses":         {argv: []string{"redis-server", write("b.conf", "bind * -::*\n")}, ask: "127.0.0.1:6379", ports: []int{6379}, dir: "/"},
		"an include":            {argv: []string{"redis-server", write("c.conf", "port 7001\ninclude "+filepath.Join(dir, "more*.conf")+"\n")}, ask: "127.0.0.1:7002", ports: []int{7002}, password: "geheim", dir: "/"},
		"the later wins":        {argv: []string{"redis-server", write("d.conf", "port 7001\n"), "--port", "7003", "--requirepass", "x"}, ask: "127.0.0.1:7003", ports: []int{7003}, password: "x", dir: "/"},
		"TLS alone":             {argv: []string{"redis-server", write("e.conf", "port 0\ntls-port 6390\n")}, ask: "127.0.0.1:0", ports: []int{6390}, dir: "/"},
		"a loop":                {argv: []string{"redis-server", deep}, err: "more than 8 deep"},
		"no file":               {argv: []string{"redis-server", "/none.conf"}, err: "no such file"},
		"a damaged file":        {argv: []string{"redis-server", write("f.conf", "port \"1\n")}, err: "line 1"},
		"a password beyond use": {argv: []string{"redis-server", write("g.conf", `requirepass "very secret"`+"\n")}, err: "requirepass"},
		"an example sentinel":   {argv: []string{"redis-sentinel", write("h.conf", "port 26379\nsentinel monitor mymaster 127.0.0.1 6379 2\n")}, sentinel: true, ask: "127.0.0.1:26379", ports: []int{26379}, dir: "/"},
		"a used sentinel": {argv: []string{"redis-sentinel", write("i.conf", "sentinel monitor shop 192.0.2.1 6379 2\nsentinel known-slave shop 192.0.2.2 6379\n")}, sentinel: true,
			ask: "127.0.0.1:26379", ports: []int{26379}, dir: "/", watches: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readSettings(tc.argv, tc.sentinel)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "very") {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || s.ask.String() != tc.ask || s.dir != tc.dir || s.password.Reveal() != tc.password || len(s.watches) != tc.watches {
				t.Errorf("got %+v, %v", s, err)
			}
			if d := cmp.Diff(tc.ports, s.ports); d != "" {
				t.Errorf("ports (-want +got):\n%s", d)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	running := systemd.Unit{Name: "redis-server.service", Fragment: shippedUnit, Running: true, Enabled: true}
	with := func(edit func(*fact)) fact {
		f := fact{unit: running, settings: settings{ports: []int{6379}, dir: "/var/lib/redis"}}
		edit(&f)
		return f
	}
	for name, tc := range map[string]struct {
		f    fact
		want Verdict
		said string
	}{
		"empty and unused":            {with(func(*fact) {}), TakeOut, "no key, no client, no data"},
		"a key":                       {with(func(f *fact) { f.use.keys = 1 }), Refuse, "holds 1 key"},
		"a client":                    {with(func(f *fact) { f.use.clients = 1 }), Refuse, "1 client"},
		"replicas":                    {with(func(f *fact) { f.use.replicas = 2 }), Refuse, "2 replicas"},
		"a replica":                   {with(func(f *fact) { f.use.replica = true }), Refuse, "is a replica"},
		"data on disk":                {with(func(f *fact) { f.data = "there is data in /var/lib/redis" }), Refuse, "there is data"},
		"no answer":                   {with(func(f *fact) { f.askErr = errors.New("WRONGPASS") }), Refuse, "cannot be asked whether it is empty (WRONGPASS)"},
		"no configuration":            {with(func(f *fact) { f.unreadable = errors.New("denied"); f.settings = settings{} }), Refuse, "cannot be read (denied)"},
		"an operator's own unit":      {with(func(f *fact) { f.unit.Fragment = ownUnit }), Refuse, "no package's"},
		"stopped, with data, at boot": {with(func(f *fact) { f.unit.Running = false; f.data = "there is data in /x" }), Refuse, "there is data"},
		"stopped, empty, at boot":     {with(func(f *fact) { f.unit.Running = false }), TakeOut, "unused"},
		"off for good, with data":     {with(func(f *fact) { f.unit.Running, f.unit.Enabled, f.data = false, false, "there is data" }), Leave, "neither runs"},
		"masked":                      {with(func(f *fact) { f.unit.Running, f.unit.Masked = false, true }), Leave, "neither runs"},
		"masked, and runs still":      {with(func(f *fact) { f.unit.Masked, f.use.keys = true, 1 }), Refuse, "1 key"},
		"a sentinel that watches":     {with(func(f *fact) { f.sentinel, f.settings.watches = true, []string{"it watches shop"} }), Refuse, "watches shop"},
		"an unused sentinel":          {with(func(f *fact) { f.sentinel = true }), TakeOut, "its package's example"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(tc.f)
			if got.Verdict != tc.want || !strings.Contains(got.Found, tc.said) || got.Unit != running.Name {
				t.Errorf("got %+v", got)
			}
			if (got.Do != "") != (tc.want == Refuse) || tc.want == Refuse && len(got.Ports) == 0 {
				t.Errorf("what to do: %q, on ports %v", got.Do, got.Ports)
			}
		})
	}
}

// TestRealServers: the facts come from servers that run, asked with the password
// of their own file.
func TestRealServers(t *testing.T) {
	for name, tc := range map[string]struct {
		conf string
		use  func(t *testing.T, p *redistest.Proc, addr string)
		// after is put into the file once the server runs.
		after string
		want  Verdict
		said  string
	}{
		"empty":                     {want: TakeOut},
		"empty, with a password":    {conf: "requirepass geheim\n", want: TakeOut},
		"a password nobody wrote":   {conf: "requirepass geheim\n", after: "requirepass another\n", want: Refuse, said: "cannot be asked"},
		"a key":                     {use: func(_ *testing.T, p *redistest.Proc, _ string) { p.Do("SET", "a", "b") }, want: Refuse, said: "1 key"},
		"a key in another database": {use: func(_ *testing.T, p *redistest.Proc, _ string) { p.Do("SELECT", "3"); p.Do("SET", "a", "b") }, want: Refuse, said: "1 key"},
		"a client": {use: func(t *testing.T, p *redistest.Proc, addr string) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			redistest.Until(t, "the client is counted", func() bool { return p.Info("connected_clients") == "2" })
		}, want: Refuse, said: "1 client"},
		"a replica": {use: func(_ *testing.T, p *redistest.Proc, _ string) { p.Do("REPLICAOF", "127.0.0.1", "1") }, want: Refuse, said: "is a replica"},
		"data on disk alone": {use: func(_ *testing.T, p *redistest.Proc, _ string) {
			p.Do("SET", "a", "b")
			p.Do("SAVE")
			p.Do("DEL", "a")
		}, want: Refuse, said: "there is data in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, port := t.TempDir(), redistest.FreePort(t, "127.0.0.1")
			text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsave \"\"\n", port, dir) + tc.conf
			conf := redistest.Write(t, dir, "redis.conf", []byte(text))
			addr := fleet.Addr{Host: "127.0.0.1", Port: port}.String()
			password := ""
			if tc.conf != "" {
				password = "geheim"
			}
			p := redistest.Start(t, conf, addr, password)
			if tc.use != nil {
				tc.use(t, p, addr)
			}
			_ = p.Client.Close() // the test's own connection is a client too
			redistest.Write(t, dir, "redis.conf", []byte(text+tc.after))
			u := systemd.Unit{Name: "redis-server.service", Fragment: shippedUnit, Running: true, Argv: []string{"/usr/bin/redis-server", conf}}
			var got Finding
			redistest.Until(t, "the verdict is "+string(tc.want), func() bool {
				got = judge(gather(t.Context(), u, nil))
				return got.Verdict == tc.want && strings.Contains(got.Found, tc.said)
			})
			if strings.Contains(fmt.Sprint(got), "geheim") {
				t.Errorf("the finding shows the password: %v", got)
			}
		})
	}
}

// TestRealSentinel: its clients are counted, what it watches is in its file, and
// its own connections to the server of its example are no use of that server.
func TestRealSentinel(t *testing.T) {
	dir, port := t.TempDir(), redistest.FreePort(t, "127.0.0.1")
	serverPort := redistest.FreePort(t, "127.0.0.1")
	serverConf := redistest.Write(t, dir, "redis.conf", fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\nsave \"\"\n", serverPort, dir))
	server := redistest.Start(t, serverConf, fmt.Sprintf("127.0.0.1:%d", serverPort), "")
	conf := redistest.Write(t, dir, "sentinel.conf", fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor mymaster 127.0.0.1 %d 2\n", port, dir, serverPort))
	p := redistest.Start(t, conf, fmt.Sprintf("127.0.0.1:%d", port), "", "--sentinel")
	u := systemd.Unit{Name: "redis-sentinel.service", Fragment: shippedUnit, Running: true, Argv: []string{"/usr/bin/redis-sentinel", conf}}
	if got := judge(gather(t.Context(), u, nil)); got.Verdict != Refuse || !strings.Contains(got.Found, "1 client") {
		t.Errorf("with a client: %+v", got)
	}
	redistest.Until(t, "the sentinel has both of its connections", func() bool { return server.Info("connected_clients") == "3" })
	_ = server.Client.Close()
	_ = p.Client.Close()
	var unused Finding
	redistest.Until(t, "an unused sentinel can be taken out", func() bool {
		unused = judge(gather(t.Context(), u, nil))
		return unused.Verdict == TakeOut && unused.clients != ""
	})
	u = systemd.Unit{Name: "redis-server.service", Fragment: shippedUnit, Running: true, Argv: []string{"/usr/bin/redis-server", serverConf}}
	redistest.Until(t, "the server that it watches is unused too", func() bool {
		return judge(gather(t.Context(), u, []string{unused.clients})).Verdict == TakeOut
	})
	if got := judge(gather(t.Context(), u, []string{"sentinel-00000000-"})); got.Verdict != Refuse || !strings.Contains(got.Found, "2 clients") {
		t.Errorf("watched by another sentinel: %+v", got)
	}
}
