package redistest

import (
	"net/netip"
	"syscall"
	"testing"
)

// FreePort takes a port at host from the kernel and keeps it for the test: a socket
// that does not listen holds it, beside which only a program that sets SO_REUSEADDR
// can listen there, as Redis, Sentinel, Consul and Go's listeners do. Nobody else is
// given the port meanwhile; of ports that are free and not held, a sentinel's links,
// which it binds to its own address, take one now and then before its server does.
func FreePort(t testing.TB, host string) int {
	t.Helper()
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		t.Fatalf("%q is no IPv4 address: %v", host, err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: addr.As4()}); err != nil {
		t.Fatalf("bind to a port of %s: %v", host, err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at.(*syscall.SockaddrInet4).Port
}
