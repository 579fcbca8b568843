package coordinator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// feedEvery is how often the watchdog is fed at rest.
const feedEvery = 3 * time.Second

// feedWhileWaiting begins to feed the watchdog while another coordinator leads.
// Then there is no loop: this one sits in one long request for the lease, which has
// deadlines of its own. While it leads, only its loop feeds. stop ends it and waits
// for its end.
func (d *daemon) feedWhileWaiting(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(feedEvery)
		defer tick.Stop()
		for {
			if !d.leads.Load() {
				d.notify.Alive()
				d.notify.Status("fleet " + d.fleet + ": waits for the lease, another coordinator leads or Consul is out")
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// statusLine is what `systemctl status redfleet-coordinator` shows of the leader.
func (t *term) statusLine() string {
	serving := 0
	for _, a := range t.seen {
		if a.State == fleet.GroupServing {
			serving++
		}
	}
	line := fmt.Sprintf("fleet %s: leads, %d of %d groups serve", t.fleet, serving, len(t.seen))
	if t.halted != "" {
		line += "; nothing is written: " + t.halted
	}
	return line
}
