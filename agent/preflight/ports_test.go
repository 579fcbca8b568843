package preflight

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/netport"
	"github.com/redfleet/redfleet/internal/redistest"
)

// A real Redis has the port: the check names it with its pid, and knows it for
// redfleet's own only in the instance's folder.
func TestPortsOfARealRedis(t *testing.T) {
	port := redistest.FreePort(t, "127.0.0.1")
	data := t.TempDir()
	p := server()
	p.Instances[0].Ports = []int{port}
	in := &Input{Config: config(), Plan: p, Root: machine(t, nil)}
	in.Config.HTTP = ""
	if f := runOne(t.Context(), t, "ports", in); f.Status != OK || !strings.Contains(f.Found, fmt.Sprintf("free: 127.0.0.1:%d", port)) {
		t.Errorf("before: %+v", f)
	}
	dir := filepath.Join(data, "redis-main-6379")
	mkdir(t, dir)
	conf := redistest.Write(t, dir, "redis.conf", fmt.Appendf(nil, "port %d\nbind 127.0.0.1\nsave \"\"\nrequirepass geheim\ndir %s\n", port, dir))
	redistest.Start(t, conf, fmt.Sprintf("127.0.0.1:%d", port), "geheim")
	f := runOne(t.Context(), t, "ports", in)
	if f.Status != Error || !strings.Contains(f.Found, "is in use by redis-server (pid ") {
		t.Errorf("with a Redis on it: %+v", f)
	}
	in.Config.DataDir = data
	if f := runOne(t.Context(), t, "ports", in); f.Status != OK || !strings.Contains(f.Found, "redfleet's own") {
		t.Errorf("in the instance's own folder: %+v", f)
	}
	in.Root = ""
	if f := runOne(t.Context(), t, "other-redis", in); strings.Contains(f.Found, data) {
		t.Errorf("its own server is called a stranger: %+v", f)
	}
}

func TestJudgePorts(t *testing.T) {
	at := netip.MustParseAddrPort
	redis := netport.Process{PID: 7, Name: "redis-server", Dir: "/var/lib/redis"}
	cases := map[string]struct {
		facts portFacts
		want  Status
		seen  string
	}{
		"free":                 {portFacts{ports: []portFact{{at: at("10.0.0.1:6379"), of: "redis-main-6379"}}}, OK, "free: 10.0.0.1:6379"},
		"taken":                {portFacts{ports: []portFact{{at: at("10.0.0.1:6379"), of: "redis-main-6379", taken: true, owner: redis}}}, Error, "(for redis-main-6379) is in use by redis-server (pid 7)"},
		"by nobody to be seen": {portFacts{ports: []portFact{{at: at("10.0.0.1:6379"), of: "redis-main-6379", taken: true}}}, Error, "another user"},
		"another address":      {portFacts{ports: []portFact{{at: at("10.0.0.9:6379"), of: "redis-main-6379", away: true}}}, Error, "does not have the address 10.0.0.9"},
		"the agent's own":      {portFacts{ports: []portFact{{at: at("10.0.0.1:6480"), taken: true, owner: netport.Process{PID: 8, Name: "redfleet"}}}}, OK, "redfleet's own"},
		"not the agent":        {portFacts{ports: []portFact{{at: at("10.0.0.1:6480"), taken: true, owner: redis}}}, Error, "the agent's role checks"},
		"for outgoing":         {portFacts{ephemeral: [2]int{32768, 60999}, ports: []portFact{{at: at("10.0.0.1:40000"), of: "redis-main-40000"}}}, Warning, "ip_local_reserved_ports"},
		"reserved":             {portFacts{ephemeral: [2]int{32768, 60999}, reserved: [][2]int{{40000, 40000}}, ports: []portFact{{at: at("10.0.0.1:40000"), of: "redis-main-40000"}}}, OK, "free"},
		"nothing to run":       {portFacts{}, NotApplicable, "spec"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := judgePorts(&Input{Config: config()}, c.facts)
			if f.Status != c.want || !strings.Contains(f.Found+f.Do, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
}

// An address that this machine does not have is told apart from a free port.
func TestForeignAddress(t *testing.T) {
	if mine(netip.MustParseAddr("192.0.2.1")) {
		t.Error("192.0.2.1 is taken for an address of this machine")
	}
	if !mine(netip.MustParseAddr("127.0.0.1")) {
		t.Error("127.0.0.1 is not taken for an address of this machine")
	}
}

// closedPort is a port of host on which nobody listens, and that nobody else is given.
func closedPort(t *testing.T, host string) int {
	t.Helper()
	return redistest.FreePort(t, host)
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestEphemeralPorts(t *testing.T) {
	in := &Input{Root: machine(t, map[string]string{
		"/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n", "/proc/sys/net/ipv4/ip_local_reserved_ports": "36379,40000-40002\n",
	})}
	var f portFacts
	f.ephemeral, f.reserved = in.ephemeral()
	for port, want := range map[int]bool{6379: false, 32768: true, 36379: false, 36380: true, 40001: false, 40003: true, 61000: false} {
		if f.loose(port) != want {
			t.Errorf("%d: loose is %v", port, !want)
		}
	}
}
