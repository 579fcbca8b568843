package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
)

// listeners are the addresses that the lab's processes listen on, each with the
// unit that does.
func (l *Lab) listeners() map[netip.AddrPort]string {
	out := map[netip.AddrPort]string{}
	add := func(host string, port int, who string) {
		out[netip.MustParseAddrPort(fmt.Sprintf("%s:%d", host, port))] = who
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
	want := l.listeners()
	var taken []netip.AddrPort
	for addr := range want {
		if netport.InUse(addr) {
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
	owners := netport.Owners(taken)
	var lines []string
	goOn := "end what listens there and try again"
	for _, addr := range taken {
		who := owners[addr]
		if own[who.PID] {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s, for %s, is in use by %s", addr, want[addr], who))
		if dir := labAround(who.Dir); dir != "" {
			goOn = fmt.Sprintf("another lab runs in %s; end it with: redfleet lab down --dir %s, or give this one another --net", dir, quote(dir))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n") + "\nnothing was started; " + goOn)
}

// labAround finds the lab whose folder holds a process's working directory;
// empty when there is none.
func labAround(dir string) string {
	for ; dir != "" && dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, planFile)); err == nil {
			return dir
		}
	}
	return ""
}
