package agent

import "sync"

// offers holds what the watches saw last and wakes the loop.
type offers struct {
	mu   sync.Mutex
	now  offer
	wake chan struct{}
}

func newOffers() *offers { return &offers{wake: make(chan struct{}, 1)} }

func (o *offers) set(change func(*offer)) {
	o.mu.Lock()
	change(&o.now)
	o.mu.Unlock()
	o.wakeUp()
}

// wakeUp has the loop make its next pass now.
func (o *offers) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *offers) get() offer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}
