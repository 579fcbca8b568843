package systemd

import (
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// feedAtMost keeps a busy loop from sending a message with each round; any
// WatchdogSec is longer by far.
const feedAtMost = time.Second

// Notifier tells systemd how a daemon is doing (sd_notify(3)). Where nobody asked
// to be told, as in the lab, it does nothing. The zero value is ready to use, by
// several goroutines.
type Notifier struct {
	mu     sync.Mutex
	status string
	fed    time.Time
}

// Ready says that the daemon does its work now; the unit is active from here on.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Stopping says that the daemon was asked to end and is about to.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status gives `systemctl status` its line, for people. It must hold no secret.
func (n *Notifier) Status(line string) {
	n.mu.Lock()
	same := line == n.status
	n.status = line
	n.mu.Unlock()
	if !same {
		n.send("STATUS=" + line)
	}
}

// Alive feeds the unit's watchdog. Only the loop that does the daemon's work may
// call it, so that systemd restarts a daemon whose loop is stuck.
func (n *Notifier) Alive() {
	n.mu.Lock()
	now := time.Now()
	due := now.Sub(n.fed) >= feedAtMost
	if due {
		n.fed = now
	}
	n.mu.Unlock()
	if due {
		n.send(daemon.SdNotifyWatchdog)
	}
}

// send drops the error: without a socket nobody listens, and with one that fails
// systemd finds out by itself.
func (n *Notifier) send(state string) { _, _ = daemon.SdNotify(false, state) }
