package observe

import (
	"context"
	"net"
	"net/netip"

	"github.com/redfleet/redfleet/internal/netport"
	"github.com/redfleet/redfleet/internal/redis"
)

// Network is how an observer asks instances and looks at ports; the simulation has
// one of its own.
type Network interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	// Local tells whether a process of this machine could listen on an address.
	Local(host netip.Addr) error
	// Owner finds who listens on an address of this machine.
	Owner(addr netip.AddrPort) (netport.Process, bool)
}

// Machine is the network of the machine itself.
type Machine struct{}

// DialContext connects as net.Dialer does.
func (Machine) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// Local asks the kernel.
func (Machine) Local(host netip.Addr) error { return netport.Local(host) }

// Owner looks through /proc.
func (Machine) Owner(addr netip.AddrPort) (netport.Process, bool) { return netport.Owner(addr) }

// redis is the network as the Redis clients take it.
func (o *Observer) redis() redis.Network { return redis.Network{Dialer: o.Network} }
