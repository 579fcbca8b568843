package systemd

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// privateSocket leads to systemd itself where there is no D-Bus daemon.
const privateSocket = "unix:path=/run/systemd/private"

// connected gives the connection, which it makes when there is none that works.
// The caller holds s.mu.
func (s *Supervisor) connected() (*dbus.Conn, error) {
	if s.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if s.conn != nil && s.conn.Connected() {
		return s.conn, nil
	}
	s.disconnect()
	// The connection lives as long as its context.
	ctx, hangUp := context.WithCancel(s.ctx)
	limit := time.AfterFunc(callTimeout, hangUp)
	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) { return s.dial(ctx) })
	if err == nil {
		if err = conn.Subscribe(); err != nil {
			conn.Close()
		}
	}
	if !limit.Stop() && err == nil {
		conn.Close()
		err = errSlow
	}
	if err != nil {
		hangUp()
		return nil, fmt.Errorf("systemd cannot be reached over D-Bus: %w", err)
	}
	s.conn, s.hangUp = conn, hangUp
	return conn, nil
}

// connection is connected for a caller that does not hold s.mu.
func (s *Supervisor) connection() (*dbus.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected()
}

func (s *Supervisor) disconnect() {
	if s.conn != nil {
		s.conn.Close()
		s.hangUp()
		s.conn = nil
	}
}

// dial opens a connection to the system bus, or to systemd itself, and listens to
// it. go-systemd has a subscription of its own, which is set and read without a
// lock.
func (s *Supervisor) dial(ctx context.Context) (*godbus.Conn, error) {
	conn, err := godbus.SystemBusPrivate(godbus.WithContext(ctx))
	if err == nil {
		if err = s.greet(conn); err == nil {
			if err = conn.Hello(); err == nil {
				return conn, nil
			}
		}
		_ = conn.Close()
	}
	direct, second := godbus.Dial(privateSocket, godbus.WithContext(ctx))
	if second != nil {
		return nil, err
	}
	if second := s.greet(direct); second != nil {
		_ = direct.Close()
		return nil, err
	}
	return direct, nil
}

// greet tells who asks, by the kernel's word for it, and listens from then on. The
// listener ends with the connection, which closes its channel.
func (s *Supervisor) greet(conn *godbus.Conn) error {
	signals := make(chan *godbus.Signal, 64)
	conn.Signal(signals)
	s.work.Go(func() { s.listen(signals) })
	return conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Getuid()))})
}

// listen wakes the watch when a unit of redfleet has changed. Events that follow
// each other at once wake it once: it reads what is true then.
func (s *Supervisor) listen(signals <-chan *godbus.Signal) {
	for signal := range signals {
		if signal.Name != "org.freedesktop.DBus.Properties.PropertiesChanged" || !strings.HasPrefix(string(signal.Path), unitPath+"redfleet_2d") {
			continue
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// unitPath is where systemd has its units; in their names all but letters and
// digits is escaped, a dash as _2d.
const unitPath = "/org/freedesktop/systemd1/unit/"
