// Package netport tells which process listens on a TCP address, for a message
// that an operator can act on. It only reads /proc (proc(5)), and it needs no
// privilege: what it may not see it says.
package netport

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process is who listens; the zero value is one that cannot be seen, which is
// so for processes of other users.
type Process struct {
	PID  int
	Name string
	// Dir is its working directory; empty where that cannot be seen.
	Dir string
}

// String names the process for people.
func (p Process) String() string {
	if p.PID == 0 {
		return "a process of another user (as root, ss -ltnp shows which)"
	}
	return fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
}

// InUse tries the address itself, since only the kernel knows for certain. An
// address that this machine does not have is not in use.
func InUse(addr netip.AddrPort) bool {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	_ = ln.Close()
	return false
}

// Local tells whether a process of this machine could listen on an address: nil,
// or the kernel's error. It takes a port that nobody uses, for a moment.
func Local(host netip.Addr) error {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		return err
	}
	return ln.Close()
}

// Own are this machine's addresses that others can reach it at, as far as that can
// be told: all but loopback and link-local ones.
func Own() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
			out = append(out, prefix.Addr())
		}
	}
	return out
}

// Owner finds who listens on addr, or on all addresses of its port; false when
// nobody does.
func Owner(addr netip.AddrPort) (Process, bool) {
	p, found := Owners([]netip.AddrPort{addr})[addr]
	return p, found
}

// Owners finds the listeners of several addresses in one walk through /proc.
// An address that nobody listens on is left out.
func Owners(addrs []netip.AddrPort) map[netip.AddrPort]Process {
	out := map[netip.AddrPort]Process{}
	inodes := map[string][]netip.AddrPort{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			at, inode, ok := listening(line)
			if !ok {
				continue
			}
			for _, addr := range addrs {
				if at.Port() == addr.Port() && (at.Addr() == addr.Addr().Unmap() || at.Addr().IsUnspecified()) {
					out[addr] = Process{}
					inodes["socket:["+inode+"]"] = append(inodes["socket:["+inode+"]"], addr)
				}
			}
		}
	}
	if len(inodes) == 0 {
		return out
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*") // the pattern is a good one
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue // it ended meanwhile, or belongs to another user
		}
		for _, addr := range inodes[target] {
			out[addr] = processOf(fd)
		}
	}
	return out
}

// listening reads a line of /proc/net/tcp; state 0A is LISTEN.
func listening(line string) (at netip.AddrPort, inode string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != "0A" {
		return at, "", false
	}
	host, port, _ := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return at, "", false
	}
	// Each word of the address is in the machine's byte order.
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, isAddr := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), f[9], isAddr && err == nil
}

// processOf names the process of a path /proc/<pid>/fd/<n>.
func processOf(fd string) Process {
	dir := filepath.Dir(filepath.Dir(fd))
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		return Process{}
	}
	p := Process{PID: pid, Name: "a process"}
	if name, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil {
		p.Name = strings.TrimSpace(string(name))
	}
	if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil {
		p.Dir = cwd
	}
	return p
}
