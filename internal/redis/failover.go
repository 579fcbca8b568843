package redis

import (
	"context"
	"errors"
	"net"

	"github.com/redfleet/redfleet/internal/fleet"
)

// AskFailover asks one sentinel for SENTINEL FAILOVER, once, on a connection of its
// own. That sentinel then promotes a replica without a vote: nobody may ask a second
// one, whatever comes back (hazard S18). Refused tells whether an error means that
// nothing will come of the request; after any other error a failover may follow.
//
// A request that was not sent when ctx ends is dropped: the connection is reset and
// the kernel delivers nothing later.
func (n Network) AskFailover(ctx context.Context, addr fleet.Addr, password, master string) error {
	d := n.Dialer
	if d == nil {
		d = &net.Dialer{}
	}
	s := Network{Dialer: resetting{d}}.Sentinel(addr, password)
	defer func() { _ = s.Close() }()
	return s.Failover(ctx, master)
}

// Refused: the sentinel itself said no, so no failover comes of the request.
func Refused(err error) bool { return err != nil && isReply(err) && !errors.Is(err, ErrUnreachable) }

// resetting makes connections whose end is a reset, also when this process is killed.
type resetting struct{ Dialer }

func (r resetting) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := r.Dialer.DialContext(ctx, network, addr)
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		err = tcp.SetLinger(0)
	}
	return c, err
}
