package join

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/redfleet/redfleet/internal/netport"
)

// address finds the one address at which the other machines reach this one, and
// refuses to guess: one that is wrong is announced to all of them (hazard S11).
func (m *maker) address(ctx context.Context) error {
	if text := m.wantAddress(); text != "" {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("%q is no IP address; name the one at which the other machines reach this one with --address", text)
		}
		if addr.IsLoopback() && !m.o.loopback {
			return fmt.Errorf("no other machine reaches this one at %s; name one of its other addresses with --address: %s", addr, choices(netport.Own()))
		}
		if err := netport.Local(addr); err != nil {
			return fmt.Errorf("this machine does not have the address %s (%w); it has %s", addr, err, choices(netport.Own()))
		}
		m.addressIs(addr, "as it was named")
		return nil
	}
	addr, from, err := chooseAddress(m.advertised(ctx), sourceTowards(ctx, m.plan.Agent.Consul.Address), netport.Own())
	if err != nil {
		return err
	}
	m.addressIs(addr, from)
	return nil
}

// chooseAddress takes what Consul's agent advertises, where this machine has it, else
// the address that packets to Consul leave from, else the only one that there is.
func chooseAddress(advertised, source netip.Addr, own []netip.Addr) (netip.Addr, string, error) {
	has := func(a netip.Addr) bool {
		for _, o := range own {
			if o == a {
				return true
			}
		}
		return false
	}
	switch {
	case has(advertised):
		return advertised, "which Consul's agent advertises", nil
	case has(source):
		return source, "from which Consul is reached", nil
	case len(own) == 1:
		return own[0], "the only one of this machine", nil
	case len(own) == 0:
		return netip.Addr{}, "", fmt.Errorf("this machine has no address but loopback ones, at which no other machine reaches it; give it one, and name it with --address")
	default:
		return netip.Addr{}, "", fmt.Errorf("at which address the other machines reach this one is not known; name it with --address, one of %s", choices(own))
	}
}

func choices(own []netip.Addr) string {
	if len(own) == 0 {
		return "none but loopback ones"
	}
	texts := make([]string, len(own))
	for i, a := range own {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// advertised is the address that Consul's agent advertises to its peers; the zero
// one where that cannot be had.
func (m *maker) advertised(ctx context.Context) netip.Addr {
	self, err := m.client.Self(ctx)
	if err != nil {
		return netip.Addr{}
	}
	return self.Address
}

// sourceTowards is the address that packets to Consul leave from. Nothing is sent:
// connecting a datagram socket only asks the routing table.
func sourceTowards(ctx context.Context, consul string) netip.Addr {
	_, rest, found := strings.Cut(consul, "://")
	if !found {
		rest = consul
	}
	host, _, err := net.SplitHostPort(strings.SplitN(rest, "/", 2)[0])
	if err != nil {
		return netip.Addr{}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = conn.Close() }()
	if udp, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		return udp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
