package devconsul

import (
	"net/http"
	"strconv"
	"time"
)

// What Consul makes of the wait parameter.
const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
)

// answer is what a query found.
type answer struct {
	reply func() reply // made for the one who gets it only
	index uint64
	// missing: there was nothing to find.
	missing bool
}

// blocking answers a query at once, or, when the request has an index, as soon as
// the answer's index is above it or the wait is over.
//
// It follows Consul in a detail that hazard K4 is about: the first look at
// something missing returns when the store's index has passed the given one,
// whatever was written; while it waits, only the thing's appearance counts.
func (s *Server) blocking(r *http.Request, look func(st *state) answer) reply {
	least, wait, problem := blockingParams(r)
	if problem != "" {
		return textReply(http.StatusBadRequest, "%s", problem)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	_, faults := s.faults.get()
	missing := false
	var began *state
	for {
		s.mu.Lock()
		a, changed, current := look(s.state), s.changed, s.state
		s.mu.Unlock()
		if a.missing && missing {
			least = max(least, a.index)
		}
		missing = a.missing
		// A state that was replaced as a whole ends all waits, as a restore does.
		if began != nil && began != current {
			least = 0
		}
		began = current
		if least == 0 || a.index > least {
			return a.reply().at(a.index)
		}
		if !s.await(r, changed, faults, timer.C) {
			return a.reply().at(a.index)
		}
	}
}

// await waits for a change of the state; false means that the query must answer
// with what it has.
func (s *Server) await(r *http.Request, changed, faults <-chan struct{}, timeout <-chan time.Time) bool {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case <-changed:
		return true
	case <-timeout:
	case <-faults:
	case <-r.Context().Done():
	case <-s.done:
	}
	return false
}

func blockingParams(r *http.Request) (index uint64, wait time.Duration, problem string) {
	q := r.URL.Query()
	if text := q.Get("index"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, 0, "Invalid index"
		}
		index = n
	}
	wait = defaultWait
	if text := q.Get("wait"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, 0, "Invalid wait time"
		}
		if d > 0 {
			wait = d
		}
	}
	return index, min(wait, maxWait), ""
}
