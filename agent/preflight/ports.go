package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
)

// portFact is one address and port that an instance is to listen on.
type portFact struct {
	at netip.AddrPort
	// of is the instance; empty for the agent's own port.
	of fleet.InstanceID
	// away: this machine does not have the address.
	away  bool
	taken bool
	// goes is the unit of the distribution that has the port, and which the agent
	// takes out of service before it installs anything.
	goes  string
	owner netport.Process
}

// portFacts are all of them, and the ports that the kernel gives to outgoing
// connections, but for those that are reserved.
type portFacts struct {
	ports     []portFact
	ephemeral [2]int
	reserved  [][2]int
}

func gatherPorts(_ context.Context, in *Input) (portFacts, error) {
	f := portFacts{}
	f.ephemeral, f.reserved = in.ephemeral()
	for _, i := range in.Plan.Instances {
		for _, port := range i.Ports {
			for _, host := range in.Config.Bind {
				if at, err := netip.ParseAddr(host); err == nil {
					f.ports = append(f.ports, portFact{at: netip.AddrPortFrom(at, uint16(port)), of: i.ID})
				}
			}
		}
	}
	if at, err := netip.ParseAddrPort(in.Config.HTTP); err == nil {
		f.ports = append(f.ports, portFact{at: at})
	}
	for i := range f.ports {
		p := &f.ports[i]
		p.away = !mine(p.at.Addr())
		p.taken = !p.away && !in.listeners.has(p.at) && netport.InUse(p.at)
	}
	var taken []netip.AddrPort
	for i, p := range f.ports {
		if p.taken {
			f.ports[i].goes = in.distro.goes(int(p.at.Port()))
			taken = append(taken, p.at)
		}
	}
	owners := netport.Owners(taken)
	for i := range f.ports {
		f.ports[i].owner = owners[f.ports[i].at]
	}
	return f, nil
}

// mine tells whether this machine has the address, by what counts for a server:
// whether it can be listened on.
func mine(addr netip.Addr) bool {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return !errors.Is(err, syscall.EADDRNOTAVAIL)
	}
	_ = ln.Close()
	return true
}

// ephemeral reads net.ipv4.ip_local_port_range, as in "32768 60999", and
// ip_local_reserved_ports, as in "8080,9148-9150". What cannot be read is empty.
func (in *Input) ephemeral() (span [2]int, reserved [][2]int) {
	if text, err := in.read("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(text, &span[0], &span[1])
	}
	text, _ := in.read("/proc/sys/net/ipv4/ip_local_reserved_ports")
	for part := range strings.SplitSeq(text, ",") {
		first, last, isSpan := strings.Cut(part, "-")
		if !isSpan {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 == nil && err2 == nil {
			reserved = append(reserved, [2]int{from, to})
		}
	}
	return span, reserved
}

// loose: the kernel may take the port for an outgoing connection.
func (f portFacts) loose(port int) bool {
	within := func(span [2]int) bool { return span[0] <= port && port <= span[1] }
	return within(f.ephemeral) && !slices.ContainsFunc(f.reserved, within)
}

func judgePorts(in *Input, f portFacts) Finding {
	if len(f.ports) == 0 {
		return in.unplanned()
	}
	var away, taken, loose, own, going []string
	for _, p := range f.ports {
		switch {
		case p.away:
			away = append(away, p.at.Addr().String())
		case p.taken && in.owns(p):
			own = append(own, p.at.String())
		case p.taken && p.goes != "" && p.of != "":
			going = append(going, fmt.Sprintf("%s has %s", p.goes, p.at))
		case p.taken:
			taken = append(taken, fmt.Sprintf("%s (for %s) is in use by %s", p.at, what(p), p.owner))
		case p.of != "" && f.loose(int(p.at.Port())):
			loose = append(loose, p.at.String())
		}
	}
	switch {
	case len(away) > 0:
		return fail("set address and bind in agent.toml to addresses of this machine (ip address shows them)",
			"this machine does not have the address %s", strings.Join(slices.Compact(away), ", "))
	case len(taken) > 0:
		return fail("stop what listens there, where it is not needed; else give the group another port", "%s", strings.Join(taken, "; "))
	case len(loose) > 0:
		return warn(fmt.Sprintf("take a port outside of net.ipv4.ip_local_port_range (%d to %d), or list it in net.ipv4.ip_local_reserved_ports",
			f.ephemeral[0], f.ephemeral[1]),
			"%s: the kernel may give this port to an outgoing connection, and the instance then does not start", strings.Join(loose, ", "))
	case len(going) > 0:
		return ok("%s, and is unused: the agent stops and masks it; all others are free", strings.Join(going, ", "))
	case len(own) > 0:
		return ok("%d are free, %s are held by redfleet's own", len(f.ports)-len(own), strings.Join(own, ", "))
	}
	return ok("%s", freePorts(f.ports))
}

func freePorts(ports []portFact) string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.at.String()
	}
	return "free: " + strings.Join(names, ", ")
}

func what(p portFact) string {
	if p.of == "" {
		return "the agent's role checks"
	}
	return string(p.of)
}

// owns: the instance itself runs already, in its own folder, or the agent does.
func (in *Input) owns(p portFact) bool {
	if p.of == "" {
		return p.owner.Name == "redfleet"
	}
	return p.owner.Dir != "" && p.owner.Dir == filepath.Join(in.Config.DataDir, string(p.of))
}
