package record

import (
	"context"
	"net"
	"time"
)

// dial connects, and hides a failure from go-redis's pool in a connection whose
// first use returns it. The pool itself would answer later calls from memory and dial
// again by itself once a second: a server that has come up would go unseen for that
// long, and each gap look longer than it is.
func (r *Recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := r.o.Dial(ctx, network, address)
	if err != nil {
		return failed{err: err}, nil
	}
	return c, nil
}

// failed is a connection that could not be made.
type failed struct{ err error }

func (c failed) Read([]byte) (int, error)       { return 0, c.err }
func (c failed) Write([]byte) (int, error)      { return 0, c.err }
func (failed) Close() error                     { return nil }
func (failed) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (failed) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (failed) SetDeadline(time.Time) error      { return nil }
func (failed) SetReadDeadline(time.Time) error  { return nil }
func (failed) SetWriteDeadline(time.Time) error { return nil }
