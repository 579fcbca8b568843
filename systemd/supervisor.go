package systemd

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/process"
)

// The errors that a caller tells apart with errors.Is; those of every supervisor.
var (
	ErrStillRunning = process.ErrStillRunning
	ErrNoProgram    = process.ErrNoProgram
	ErrClosed       = process.ErrClosed
	// ErrUnderWay: there is no process yet, and systemd goes on with the start by
	// itself: the boot fence holds the process back, or a restart waits its second.
	ErrUnderWay = errors.New("systemd is still at it and goes on by itself")
)

const (
	// callTimeout bounds one question to systemd, which answers within some
	// milliseconds, but for a daemon-reload on a machine with many units.
	callTimeout   = 5 * time.Second
	reloadTimeout = 30 * time.Second
	// exitsBuffer is how many exits wait for a reader; none is lost beyond it.
	exitsBuffer = 64
)

// Options say how instances are run as units.
type Options struct {
	// User runs the instances and must exist; empty means root, for tests.
	User string
	// Config is the agent's own file, an absolute path, which the boot fence reads
	// too; empty for the one that the shipped unit names.
	Config string
	Log    logrus.FieldLogger
}

// Supervisor runs instances as units of systemd. They outlive it (promise
// fail-static); a restarted systemd or D-Bus is connected to again. It is safe
// for use by several goroutines.
type Supervisor struct {
	options Options
	log     logrus.FieldLogger
	exits   chan fleet.InstanceID
	ctx     context.Context // ends with Close
	close   context.CancelFunc
	work    sync.WaitGroup
	told    *queue
	ended   sync.Once

	// op is held while a unit's files are changed and systemd is told: a reload
	// for one unit must not come between another's change and its own (M3).
	op sync.Mutex

	wake chan struct{} // systemd said that something changed

	mu     sync.Mutex
	conn   *dbus.Conn
	hangUp context.CancelFunc
	units  map[fleet.InstanceID]mark
}

// New watches the units of instances that are there. It starts and stops none,
// and does not wait for systemd: what cannot be asked shows in each call.
func New(o Options) *Supervisor {
	s := &Supervisor{
		options: o, log: o.Log, exits: make(chan fleet.InstanceID, exitsBuffer), told: newQueue(),
		wake: make(chan struct{}, 1), units: map[fleet.InstanceID]mark{},
	}
	s.ctx, s.close = context.WithCancel(context.Background())
	s.work.Go(s.watch)
	s.work.Go(func() { s.told.drain(s.ctx, s.exits) })
	return s
}

// Exits tells the name of each unit whose process has ended, whether this
// supervisor started it or found it. Ends that follow each other at once may be
// told as one. It is closed by Close.
func (s *Supervisor) Exits() <-chan fleet.InstanceID { return s.exits }

// Close ends the watching and waits for it. It stops no unit, and may be called
// more than once.
func (s *Supervisor) Close() error {
	s.close() // first, since a call that waits for systemd holds the lock
	s.mu.Lock()
	s.disconnect()
	s.mu.Unlock()
	s.work.Wait()
	s.ended.Do(func() { close(s.exits) })
	return nil
}

// bounded is ctx, at most for d.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errSlow)
}

var errSlow = errors.New("systemd did not answer in time")
