package machine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// relay is a node's disturbed line: two network devices of ours, one on the lab's
// bridge and one on a bridge with the node alone, and what carries the packets
// between them. The kernel removes the devices with this process at the latest.
type relay struct {
	side string // the bridge with the node alone
	taps [2]tap
	line atomic.Pointer[Line]
	all  sync.WaitGroup
	stop chan struct{}
}

// tap is a network device whose packets we read and write.
type tap struct {
	name string
	file *os.File
}

// queued is a packet on its way.
type queued struct {
	frame []byte
	due   time.Time
}

const (
	// frameLimit is above any packet of a device that does not merge them.
	frameLimit = 2048
	// queueLimit is how many packets are on their way in one direction; more are
	// lost, as in a router.
	queueLimit = 4096
)

// newRelay makes the devices in the lab's network and carries packets between them.
// They are not on a bridge yet.
func (l *Lab) newRelay(node string, line Line) (*relay, error) {
	r := &relay{side: node + ".x", stop: make(chan struct{})}
	r.line.Store(&line)
	err := l.inNetwork(func() error {
		for i, end := range []string{".a", ".b"} {
			t, err := newTap(node + end)
			if err != nil {
				return err
			}
			r.taps[i] = t
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a relay for %s: %w", node, err), r.closeTaps())
	}
	r.carry(r.taps[0], r.taps[1])
	r.carry(r.taps[1], r.taps[0])
	return r, nil
}

// newTap makes a device in the network namespace of this thread.
func newTap(name string) (tap, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return tap{}, fmt.Errorf("/dev/net/tun: %w (disturbed lines need the kernel's module tun)", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return tap{}, errors.Join(fmt.Errorf("device %s: %w", name, err), unix.Close(fd))
	}
	return tap{name: name, file: os.NewFile(uintptr(fd), name)}, nil
}

// carry takes packets from one end to the other until the relay is closed.
func (r *relay) carry(from, to tap) {
	queue := make(chan queued, queueLimit)
	r.all.Go(func() { r.read(from, queue) })
	r.all.Go(func() { r.write(to, queue) })
}

func (r *relay) read(from tap, queue chan<- queued) {
	defer close(queue)
	var last time.Time
	for {
		frame := make([]byte, frameLimit)
		size, err := from.file.Read(frame)
		if err != nil {
			return // closed
		}
		line := r.line.Load()
		if line.loses(chance()) {
			continue
		}
		last = line.due(time.Now(), last, chance())
		select {
		case queue <- queued{frame[:size], last}:
		default:
		}
	}
}

func (r *relay) write(to tap, queue <-chan queued) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for packet := range queue {
		timer.Reset(time.Until(packet.due))
		select {
		case <-timer.C:
		case <-r.stop:
			return
		}
		// An error is a packet lost: the device is down, or closed.
		_, _ = to.file.Write(packet.frame)
	}
}

// close ends the relay and removes its devices. What is on its way is lost.
func (r *relay) close() error {
	close(r.stop)
	err := r.closeTaps()
	r.all.Wait()
	return err
}

func (r *relay) closeTaps() error {
	var errs []error
	for _, t := range r.taps {
		if t.file != nil {
			errs = append(errs, t.file.Close())
		}
	}
	return errors.Join(errs...)
}
