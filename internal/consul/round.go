package consul

import (
	"context"
	"sync"
)

// rounds ends the requests of all watches at once, so that they are asked anew. The zero
// value is ready; it may be used from several goroutines.
type rounds struct {
	mu      sync.Mutex
	current context.Context //nolint:containedctx // it stands for the requests that are open
	end     context.CancelFunc
}

// now is the round of whoever asks now: it ends with the next LookAgain.
func (r *rounds) now() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.current, r.end = context.WithCancel(context.Background())
	}
	return r.current
}

// LookAgain has every watch ask at once for what there is, whatever its request waits for.
// It is for whoever knows that Consul lost its state: a request that came there with an index
// of the old one is answered only when the new one has got as far, or after the wait of up to
// ten minutes (hazard K4; simulation, seed 7470).
func (c *Client) LookAgain() {
	c.rounds.mu.Lock()
	defer c.rounds.mu.Unlock()
	if c.rounds.end != nil {
		c.rounds.end()
		c.rounds.current, c.rounds.end = nil, nil
	}
}

// inRound gives the context of one request of a watch, and the round that it belongs to.
func (c *Client) inRound(ctx context.Context) (request, round context.Context, done func()) {
	round = c.rounds.now()
	request, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(round, cancel)
	return request, round, func() { stop(); cancel() }
}
