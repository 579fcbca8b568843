package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// greetingWord begins what a listening preflight says to who connects:
// "redfleet-preflight FLEET NODE".
const greetingWord = "redfleet-preflight"

// listeners answer on this node's free ports for as long as Input.Listen says.
type listeners struct {
	ports map[netip.AddrPort]net.Listener
	wait  sync.WaitGroup
}

// has is safe on nil.
func (l *listeners) has(at netip.AddrPort) bool { return l != nil && l.ports[at] != nil }

// RunListening is Run for several nodes at once: the ports of this node that
// nobody has answer with its name, from before the checks until Input.Listen is
// over, so that a preflight on another node sees the whole way (hazard R3). It
// holds the ports for that time: nothing that needs them can start meanwhile.
func RunListening(ctx context.Context, in *Input, ignore []string) (Document, error) {
	l, err := listen(ctx, in)
	if err != nil {
		return Document{}, err
	}
	defer l.close()
	in.listeners = l
	over := time.NewTimer(in.Listen)
	defer over.Stop()
	d := Run(ctx, in, ignore)
	select {
	case <-ctx.Done():
		return d, ctx.Err()
	case <-over.C:
		return d, nil
	}
}

func listen(ctx context.Context, in *Input) (*listeners, error) {
	l := &listeners{ports: map[netip.AddrPort]net.Listener{}}
	greeting := fmt.Sprintf("%s %s %s\n", greetingWord, in.fleetWord(), in.Config.Node)
	for _, i := range in.Plan.Instances {
		for _, port := range i.Ports {
			for _, host := range in.Config.Bind {
				addr, err := netip.ParseAddr(host)
				if err != nil {
					continue // the check of the ports says so
				}
				at := netip.AddrPortFrom(addr, uint16(port))
				ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
				if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
					continue // the check of the ports says that too
				}
				if err != nil {
					l.close()
					return nil, fmt.Errorf("listening for other nodes' preflights: %w", err)
				}
				l.ports[at] = ln
				l.wait.Go(func() { serveGreeting(ln, greeting) })
			}
		}
	}
	return l, nil
}

// serveGreeting ends when the listener is closed. One caller at a time is enough:
// each gets one short line.
func serveGreeting(ln net.Listener, greeting string) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.Write([]byte(greeting)) // a caller that went away needs none
		_ = c.Close()
	}
}

func (l *listeners) close() {
	for _, ln := range l.ports {
		_ = ln.Close()
	}
	l.wait.Wait()
}

// fleetWord is the fleet in a greeting; a machine that has not joined says "-".
func (in *Input) fleetWord() string { return cmp.Or(in.Config.Fleet, "-") }
