package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/fleet"
)

// listeners are the addresses that the lab's processes listen on, each with the
// unit that does.
func (l *Lab) listeners() map[netip.AddrPort]string {
	out := map[netip.AddrPort]string{}
	add := func(host string, port int, who string) {
		out[netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port))] = who
	}
	if l.Plan.Consul == "" {
		out[netip.MustParseAddrPort(l.Plan.standInAddr())] = "the stand-in for Consul"
	}
	for i, node := range l.Plan.nodes() {
		add(l.Plan.address(i), httpPort, "the agent of "+node)
		add(l.Plan.address(i), redisPort, "redis-server on "+node)
		if i < l.Plan.Sentinels {
			add(l.Plan.address(i), sentinelPort, "the sentinel on "+node)
		}
	}
	return out
}

// checkPorts finds out, before anything is started, which of the lab's ports
// another program uses, and which program that is. Ports of the lab's own
// processes, by their pids, are where they should be.
func (l *Lab) checkPorts(procs []Process) error {
	var taken []netip.AddrPort
	want := l.listeners()
	for addr := range want {
		if inUse(addr) {
			taken = append(taken, addr)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	slices.SortFunc(taken, netip.AddrPort.Compare)
	own := map[int]bool{}
	for _, p := range procs {
		if p.State == fleet.UnitActive {
			own[p.PID] = true
		}
	}
	owners := socketOwners(taken)
	var lines []string
	for _, addr := range taken {
		if who := owners[addr]; !own[who.pid] {
			lines = append(lines, fmt.Sprintf("%s, for %s, is in use by %s", addr, want[addr], who))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n") +
		"\nnothing was started; end what listens there (another lab? redfleet lab down --dir …) and try again")
}

// inUse tries the address itself: only the kernel knows for certain.
func inUse(addr netip.AddrPort) bool {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	_ = ln.Close()
	return false
}
