package redismodel

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// models is the ground of a World.
type models struct{ w *World }

func (models) host(n int) string { return fmt.Sprintf("10.9.0.%d", n) }

func (m models) start(conf string, sentinel bool) (running, error) {
	p, err := m.w.Start(Program{Conf: conf, Sentinel: sentinel})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (m models) dial(ctx context.Context, addr string) (net.Conn, error) {
	return m.w.DialContext(ctx, "10.9.0.200", "tcp", addr)
}

// newModels runs a World until the test's end.
func newModels(t *testing.T, seed uint64, opt ...func(*Options)) models {
	o := Options{Seed: seed}
	if os.Getenv("REDFLEET_MODEL_TRACE") != "" {
		began := time.Now()
		o.Trace = func(at time.Time, who, what string) { t.Logf("%8.3f %s %s", at.Sub(began).Seconds(), who, what) }
	}
	for _, f := range opt {
		f(&o)
	}
	w := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return models{w}
}

// real is the ground of redis-server on loopback addresses of its own.
type real struct {
	t       *testing.T
	network string
}

var nextNetwork atomic.Int32

// newReal takes a loopback network; the listener keeps other test binaries out, but for
// the labs of cmd/redfleet, which have 127.221 to 127.234 to themselves.
func newReal(t *testing.T) real {
	for range 250 {
		network := fmt.Sprintf("127.%d.%d.", 235+os.Getpid()%16, 1+nextNetwork.Add(1)%250)
		l, err := net.Listen("tcp", network+"1:6480")
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return real{t, network}
		}
	}
	t.Fatal("every loopback network is taken by other tests")
	return real{}
}

func (r real) host(n int) string { return fmt.Sprintf("%s%d", r.network, 10+n) }

func (real) dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// realProc is one process, ended by its pid.
type realProc struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (r real) start(conf string, sentinel bool) (running, error) {
	args := []string{conf}
	if sentinel {
		args = append(args, "--sentinel")
	}
	p := &realProc{cmd: exec.Command("redis-server", args...), done: make(chan struct{})}
	var out bytes.Buffer
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = filepath.Dir(conf), &out, &out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	select {
	case <-p.done:
		return nil, fmt.Errorf("%w: %s", errEnded, out.String())
	case <-time.After(50 * time.Millisecond):
		return p, nil
	}
}

func (p *realProc) Signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(sig)
	}
}

func (p *realProc) Done() <-chan struct{} { return p.done }
