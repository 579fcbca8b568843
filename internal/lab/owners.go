package lab

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// owner is the process behind a listening socket; pid 0 where that cannot be
// seen, which is so for processes of other users.
type owner struct {
	pid  int
	name string
}

// String names the process for people.
func (o owner) String() string {
	if o.pid == 0 {
		return "a process of another user (as root, ss -ltnp shows which)"
	}
	return fmt.Sprintf("%s (pid %d)", o.name, o.pid)
}

// socketOwners finds who listens on the addresses, or on all addresses of
// their ports: from /proc/net/tcp to the socket's inode, and from there to the
// process that has it open (proc(5)).
func socketOwners(addrs []netip.AddrPort) map[netip.AddrPort]owner {
	out := map[netip.AddrPort]owner{}
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
				if at.Port() == addr.Port() && (at.Addr() == addr.Addr() || at.Addr().IsUnspecified()) {
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
			continue
		}
		for _, addr := range inodes[target] {
			out[addr] = ownerOf(fd)
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

// ownerOf names the process of a path /proc/<pid>/fd/<n>.
func ownerOf(fd string) owner {
	dir := filepath.Dir(filepath.Dir(fd))
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		return owner{}
	}
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return owner{pid: pid, name: "a process"}
	}
	return owner{pid: pid, name: strings.TrimSpace(string(name))}
}
