//go:build e2e

package units

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// unreachable: while systemd cannot be asked, what runs is still known to run, as
// the kernel says, nothing is started, and afterwards all is as before (promise
// fail-static).
func unreachable(t *testing.T) {
	line := newLine(t)
	ctx, s := open(t)
	u, other := sleeper(t, "sentinel-unreachable-1"), sleeper(t, "sentinel-unreachable-2")
	check(t, s.Start(ctx, u))
	before := await(ctx, t, s, u.Name, fleet.UnitActive)
	restore := line.cut()
	defer restore()
	machinetest.Eventually(ctx, t, 10*time.Second, "systemd cannot be reached", func() bool {
		_, err := s.Status(ctx, other.Name)
		return err != nil && strings.Contains(err.Error(), "cannot be reached")
	})
	if st := status(ctx, t, s, u.Name); st != before {
		t.Errorf("what runs, while systemd cannot be asked: %+v, before %+v", st, before)
	}
	if err := s.Start(ctx, other); err == nil {
		t.Error("a unit was started without systemd")
	}
	restore()
	machinetest.Eventually(ctx, t, 10*time.Second, "systemd can be reached again", func() bool {
		st, err := s.Status(ctx, other.Name)
		return err == nil && st.State == fleet.UnitInactive
	})
	check(t, s.Stop(ctx, u.Name))
}

// line is a way to the machine's D-Bus that can be cut.
type line struct {
	t       *testing.T
	address string

	mu    sync.Mutex
	at    net.Listener
	conns []net.Conn
}

const (
	busSocket     = "/run/dbus/system_bus_socket"
	privateSocket = "/run/systemd/private"
)

// newLine leads this process's D-Bus connections, and no other's, over a line.
func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{t: t, address: filepath.Join(t.TempDir(), "bus")}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+l.address)
	l.listen()
	t.Cleanup(l.hangUp)
	return l
}

func (l *line) listen() {
	at, err := net.Listen("unix", l.address)
	check(l.t, err)
	l.mu.Lock()
	l.at = at
	l.mu.Unlock()
	go func() {
		for {
			conn, err := at.Accept()
			if err != nil {
				return
			}
			bus, err := net.Dial("unix", busSocket)
			if err != nil {
				_ = conn.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, conn, bus)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(bus, conn); _ = bus.Close() }()
			go func() { _, _ = io.Copy(conn, bus); _ = conn.Close() }()
		}
	}()
}

func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.at.Close()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// cut takes away systemd's own socket too, for everybody on the machine.
func (l *line) cut() (restore func()) {
	check(l.t, os.Rename(privateSocket, privateSocket+".away"))
	l.hangUp()
	return sync.OnceFunc(func() {
		if err := os.Rename(privateSocket+".away", privateSocket); err != nil {
			l.t.Error(err)
		}
		l.listen()
	})
}
