package netport

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func listen(t *testing.T, network, at string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestOwner(t *testing.T) {
	exact := listen(t, "tcp4", "127.0.0.101:0")
	six := listen(t, "tcp6", "[::1]:0")
	everywhere := listen(t, "tcp4", "0.0.0.0:0")
	cases := map[string]struct {
		addr  netip.AddrPort
		found bool
	}{
		"the address itself":              {exact, true},
		"an IPv6 address":                 {six, true},
		"an address of a wildcard socket": {netip.AddrPortFrom(netip.MustParseAddr("127.0.0.102"), everywhere.Port()), true},
		"the address as IPv6 holds it":    {netip.AddrPortFrom(netip.AddrFrom16(exact.Addr().As16()), exact.Port()), true},
		"the same port at another":        {netip.AddrPortFrom(netip.MustParseAddr("127.0.0.103"), exact.Port()), false},
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, found := Owner(c.addr)
			if found != c.found || InUse(c.addr) != c.found {
				t.Fatalf("found %v, in use %v, want %v", found, InUse(c.addr), c.found)
			}
			if !found {
				return
			}
			if p.PID != os.Getpid() || p.Dir != wd || !strings.HasPrefix(filepath.Base(os.Args[0]), p.Name) {
				t.Errorf("found %+v, want this test (pid %d, %s, in %s)", p, os.Getpid(), os.Args[0], wd)
			}
		})
	}
}

func TestListening(t *testing.T) {
	cases := map[string]struct {
		line string
		at   string
		ok   bool
	}{
		"a listener": {
			"   0: 0B00007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1", "127.0.0.11:6379", true,
		},
		"an IPv4 address in IPv6": {
			"   1: 0000000000000000FFFF00000B00007F:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1",
			"127.0.0.11:6379", true,
		},
		"a connection": {"   0: 0B00007F:18EB 0C00007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4711 1", "", false},
		"the heading":  {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", "", false},
		"cut off":      {"   0: 0B0000", "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			at, inode, ok := listening(c.line)
			if ok != c.ok || ok && (at.String() != c.at || inode != "4711") {
				t.Errorf("read %v %q %v, want %s %v", at, inode, ok, c.at, c.ok)
			}
		})
	}
}
