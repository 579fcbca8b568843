package systemd

import (
	"context"
	"sync"

	"github.com/redfleet/redfleet/internal/fleet"
)

// queue keeps the exits until they are read, so that who sees one need not wait.
type queue struct {
	mu      sync.Mutex
	waiting []fleet.InstanceID
	filled  chan struct{}
}

func newQueue() *queue { return &queue{filled: make(chan struct{}, 1)} }

func (q *queue) add(id fleet.InstanceID) {
	q.mu.Lock()
	q.waiting = append(q.waiting, id)
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *queue) take() []fleet.InstanceID {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting
	q.waiting = nil
	return all
}

// drain hands them on until ctx ends.
func (q *queue) drain(ctx context.Context, to chan<- fleet.InstanceID) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.filled:
		}
		for _, id := range q.take() {
			select {
			case to <- id:
			case <-ctx.Done():
				return
			}
		}
	}
}
