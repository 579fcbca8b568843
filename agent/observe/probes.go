package observe

import (
	"context"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/secret"
)

const (
	// probeEvery is how often each peer is probed at rest; probeAgain while one
	// of them failed.
	probeEvery = 10 * time.Second
	probeAgain = time.Second
	// probeForming is how often while the group forms and one has not answered.
	probeForming = 30 * time.Millisecond
	probeTimeout = 500 * time.Millisecond
)

// probes runs an AUTH and PING to each other server beside the looks, so that a peer
// that does not answer delays nothing (hazard S21: a list of peers proves
// nothing, an answer does).
type probes struct {
	mu      sync.Mutex
	results []fleet.PeerProbe
	at      time.Time
	running bool
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// look gives the last results and starts a new round when it is due. In a group
// that serves the first round is waited for: an agent that has just been
// restarted must not report that nobody was tried.
func (p *probes) look(ctx context.Context, via redis.Network, now time.Time, g fleet.InstanceGoal, password secret.Password) []fleet.PeerProbe {
	if p.start(ctx, via, now, g, password) && g.Seed == nil {
		p.wg.Wait() // bounded by probeTimeout
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.results
}

// start starts a round when it is due; true when it is the first one.
func (p *probes) start(ctx context.Context, via redis.Network, now time.Time, g fleet.InstanceGoal, password secret.Password) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.at.IsZero()
	if !p.running && now.Sub(p.at) >= p.every(g) {
		ctx, p.cancel = context.WithTimeout(ctx, probeTimeout)
		p.running, p.at = true, now
		p.wg.Go(func() { p.round(ctx, via, g, password.Reveal()) })
		return first
	}
	return false
}

func (p *probes) every(g fleet.InstanceGoal) time.Duration {
	for _, r := range p.results {
		if r.Error != "" {
			if g.Seed != nil {
				return probeForming
			}
			return probeAgain
		}
	}
	if len(p.results) == 0 {
		return 0
	}
	return probeEvery
}

func (p *probes) round(ctx context.Context, via redis.Network, g fleet.InstanceGoal, password string) {
	var results []fleet.PeerProbe
	for _, m := range g.Servers {
		if m.Addr != g.Addr {
			results = append(results, fleet.PeerProbe{Addr: m.Addr})
		}
	}
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			if err := via.Probe(ctx, results[i].Addr, password); err != nil {
				results[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results, p.running = results, false
	p.cancel()
}

// stop ends a round that is under way and waits for it.
func (p *probes) stop() {
	p.mu.Lock()
	if p.cancel != nil {
		p.cancel()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
