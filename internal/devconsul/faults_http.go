package devconsul

import (
	"encoding/json"
	"net/http"
)

// faultRoutes are the switches for a test that runs the stand-in as a process of
// its own. No fault hits them.
//
//	GET, PUT, DELETE /v1/devconsul/faults      the Faults as JSON; DELETE ends them
//	PUT              /v1/devconsul/lose-all    forget everything
//	PUT, DELETE      /v1/devconsul/snapshot    remember the state; go back to it
func (s *Server) faultRoutes(mux *http.ServeMux) {
	var saved *Snapshot
	handle := func(pattern string, h func(*http.Request) reply) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h(r).write(w) })
	}
	handle("GET /v1/devconsul/faults", func(*http.Request) reply {
		f, _ := s.faults.get()
		return jsonReply(f)
	})
	handle("PUT /v1/devconsul/faults", func(r *http.Request) reply {
		var f Faults
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&f); err != nil {
			return textReply(http.StatusBadRequest, "no faults: %v", err)
		}
		s.SetFaults(f)
		return jsonReply(f)
	})
	handle("DELETE /v1/devconsul/faults", func(*http.Request) reply {
		s.SetFaults(Faults{})
		return jsonReply(Faults{})
	})
	handle("PUT /v1/devconsul/lose-all", func(*http.Request) reply {
		s.LoseAll()
		return jsonReply(true)
	})
	handle("PUT /v1/devconsul/snapshot", func(*http.Request) reply {
		snap := s.Snapshot()
		s.mu.Lock()
		saved = snap
		s.mu.Unlock()
		return jsonReply(true)
	})
	handle("DELETE /v1/devconsul/snapshot", func(*http.Request) reply {
		s.mu.Lock()
		snap := saved
		s.mu.Unlock()
		if snap == nil {
			return textReply(http.StatusNotFound, "no snapshot was taken")
		}
		s.Restore(snap)
		return jsonReply(true)
	})
}
