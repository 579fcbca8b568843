package redismodel

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// DialContext connects a client on a host to an instance, as net.Dialer does: it
// fails at once where the host is on and nobody listens, and waits for ctx where
// nothing comes back. The connection carries RESP2.
func (w *World) DialContext(ctx context.Context, from, network, address string) (net.Conn, error) {
	fail := func(err error) error { return &net.OpError{Op: "dial", Net: network, Err: err} }
	hostName, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fail(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fail(err)
	}
	f := &front{changed: make(chan struct{}, 1), connected: make(chan error, 1)}
	w.mu.Lock()
	f.c = w.dial(from, fleet.Addr{Host: hostName, Port: port})
	f.c.front = f
	w.mu.Unlock()
	select {
	case err := <-f.connected:
		if err != nil {
			return nil, fail(err)
		}
		return f, nil
	case <-ctx.Done():
		_ = f.Close()
		return nil, fail(ctx.Err())
	}
}

// front is a client's connection: bytes on this side, messages on the other.
type front struct {
	c         *conn
	connected chan error
	once      sync.Once
	// changed wakes a reader.
	changed chan struct{}

	// Under the World's lock:
	in       []byte // not read yet by the client
	out      []byte // written by the client, no whole command yet
	eof      bool
	deadline time.Time
}

func (f *front) answer(err error) { f.once.Do(func() { f.connected <- err }) }

func (f *front) opened() { f.answer(nil) }

func (f *front) closed() {
	f.answer(syscall.ECONNREFUSED)
	f.eof = true
	f.notify()
}

func (f *front) received(m message) {
	if v, ok := m.(value); ok {
		f.in = v.encode(f.in)
		f.notify()
	}
}

func (f *front) notify() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Read waits for a reply's bytes.
func (f *front) Read(b []byte) (int, error) {
	for {
		n, wait, err := f.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		if wait < 0 {
			<-f.changed
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-f.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take reads without waiting; wait is the time to the deadline, below zero
// without one.
func (f *front) take(b []byte) (n int, wait time.Duration, err error) {
	f.c.w.mu.Lock()
	defer f.c.w.mu.Unlock()
	if len(f.in) > 0 {
		n = copy(b, f.in)
		f.in = append(f.in[:0], f.in[n:]...)
		return n, 0, nil
	}
	switch {
	case f.c.gone && !f.eof:
		return 0, 0, net.ErrClosed
	case f.eof:
		return 0, 0, io.EOF
	case f.deadline.IsZero():
		return 0, -1, nil
	}
	if wait = time.Until(f.deadline); wait <= 0 {
		return 0, 0, os.ErrDeadlineExceeded
	}
	return 0, wait, nil
}

// Write sends whole commands and keeps the beginning of one for later.
func (f *front) Write(b []byte) (int, error) {
	f.c.w.mu.Lock()
	defer f.c.w.mu.Unlock()
	if f.c.gone {
		if f.eof {
			return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
		}
		return 0, net.ErrClosed
	}
	f.out = append(f.out, b...)
	used := 0
	for {
		args, n, err := readCommand(f.out[used:])
		switch {
		case err != nil:
			return 0, fmt.Errorf("a client wrote what is no command: %w", err)
		case n == 0:
			f.out = append(f.out[:0], f.out[used:]...)
			return len(b), nil
		}
		f.c.send(args)
		used += n
	}
}

// Close ends the connection.
func (f *front) Close() error {
	f.c.w.mu.Lock()
	defer f.c.w.mu.Unlock()
	f.c.close()
	f.notify()
	return nil
}

// LocalAddr and RemoteAddr are the two ends.
func (f *front) LocalAddr() net.Addr { return tcpAddr(f.c.host, f.c.port) }

// RemoteAddr is the instance.
func (f *front) RemoteAddr() net.Addr { return tcpAddr(f.c.to.Host, f.c.to.Port) }

func tcpAddr(hostName string, port int) net.Addr {
	ip, err := netip.ParseAddr(hostName)
	if err != nil {
		return &net.TCPAddr{Port: port}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port)))
}

// SetDeadline sets that of reads; a write never waits.
func (f *front) SetDeadline(t time.Time) error { return f.SetReadDeadline(t) }

// SetReadDeadline ends a Read that waits at t.
func (f *front) SetReadDeadline(t time.Time) error {
	f.c.w.mu.Lock()
	defer f.c.w.mu.Unlock()
	f.deadline = t
	f.notify()
	return nil
}

// SetWriteDeadline does nothing: a write never waits.
func (f *front) SetWriteDeadline(time.Time) error { return nil }
