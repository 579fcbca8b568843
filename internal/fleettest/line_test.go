package fleettest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// line is one daemon's way to Consul. Once it is cut, not a byte gets through:
// what the daemon still says while it ends, such as giving up its lease, is
// never heard, as after kill -9.
type line struct {
	to       string
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// newLine forwards from Addr to the Consul at to, until cut or the test's end.
func newLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &line{to: to, listener: l, conns: map[net.Conn]bool{}}
	p.work.Go(p.accept)
	t.Cleanup(func() { p.cut(); p.work.Wait() })
	return p
}

// Addr is where the daemon finds its Consul.
func (p *line) Addr() string { return p.listener.Addr().String() }

func (p *line) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		if !p.keep(in, out) {
			return
		}
		p.work.Go(func() { p.pipe(in, out) })
		p.work.Go(func() { p.pipe(out, in) })
	}
}

// keep remembers the two ends of a connection; false when the line is cut.
func (p *line) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.down {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.down
}

// pipe copies until one end closes, and then closes both.
func (p *line) pipe(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
}

// cut ends all connections and takes no new ones.
func (p *line) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
}
