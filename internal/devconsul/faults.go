package devconsul

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Faults is how the stand-in misbehaves. The zero value is none. The first of
// Freeze, Drop and Error that is set applies, after Delay.
//
// New faults take effect at once: they also hit requests that are under way,
// blocking queries among them.
type Faults struct {
	// Path, when set, confines the faults to requests whose path begins with it,
	// as "/v1/session/renew/".
	Path string `json:"path,omitempty"`
	// Delay is waited before each request is carried out.
	Delay fleet.Duration `json:"delay,omitempty"`
	// Error answers with this HTTP status, as 500 ("No cluster leader") or 403.
	Error int `json:"error,omitempty"`
	// Drop closes the connection without an answer.
	Drop bool `json:"drop,omitempty"`
	// Freeze keeps requests waiting until the faults change.
	Freeze bool `json:"freeze,omitempty"`
	// AfterEffect carries each request out first, so that a write happens although
	// its caller never hears of it.
	AfterEffect bool `json:"after_effect,omitempty"`
}

// SetFaults replaces the faults; Faults{} ends them.
func (s *Server) SetFaults(f Faults) { s.faults.set(f) }

// SetDelay makes each request wait for d; 0 ends that. Other faults stay.
func (s *Server) SetDelay(d time.Duration) {
	s.faults.edit(func(f *Faults) { f.Delay = fleet.Duration(d) })
}

// SetError answers each request with the HTTP status; 0 ends that.
func (s *Server) SetError(status int) { s.faults.edit(func(f *Faults) { f.Error = status }) }

// Drop closes each connection without an answer, until it is called with false.
func (s *Server) Drop(on bool) { s.faults.edit(func(f *Faults) { f.Drop = on }) }

// Freeze answers nothing, until it is called with false.
func (s *Server) Freeze(on bool) { s.faults.edit(func(f *Faults) { f.Freeze = on }) }

// LoseAll forgets everything, as a Consul that came back with an empty disk does
// (hazard K5): keys, sessions, services; indexes begin anew (K4).
func (s *Server) LoseAll() { s.replace(newState()) }

// HoldChecks keeps what checks find from the catalog, until the next registration of
// any service or a call with false, as a Consul agent does for 15 to 30 s where a
// registration came while it wanted to compare its services with the catalog (K10).
func (s *Server) HoldChecks(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !on:
		s.syncChecks()
		s.held = nil
	case s.held == nil:
		s.held = map[string]result{}
	}
}

// FailChecks makes every check critical, as a Consul agent does that starts anew.
func (s *Server) FailChecks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.state.services {
		for _, c := range x.checks {
			s.tell(x.def.ID, c.id, result{api.HealthCritical, ""})
		}
	}
}

// Snapshot is the state at one moment.
type Snapshot struct{ state *state }

// Snapshot remembers the state as it is.
func (s *Server) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Snapshot{state: s.state.clone()}
}

// Restore goes back to a snapshot, indexes included, as a Consul that was restored
// from an old backup does. Sessions that ended since are back, with their full TTL.
func (s *Server) Restore(snap *Snapshot) { s.replace(snap.state.clone()) }

func (s *Server) replace(st *state) {
	s.mu.Lock()
	stopped := s.stopAll()
	s.state = st
	select {
	case <-s.done:
	default:
		for _, x := range st.sessions {
			s.startTimer(x)
		}
		for _, x := range st.services {
			for _, c := range x.checks {
				s.startCheck(x.def.ID, c)
			}
		}
	}
	s.wake()
	s.mu.Unlock()
	for _, r := range stopped {
		r.wait()
	}
}

// faultBox holds the faults and tells when they change.
type faultBox struct {
	mu      sync.Mutex
	now     Faults
	changed chan struct{}
}

func newFaultBox() *faultBox { return &faultBox{changed: make(chan struct{})} }

func (b *faultBox) edit(do func(*Faults)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do(&b.now)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *faultBox) set(f Faults) { b.edit(func(now *Faults) { *now = f }) }

func (b *faultBox) get() (Faults, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

// before lets a request through, or deals with it by the faults.
func (b *faultBox) before(w http.ResponseWriter, r *http.Request, done <-chan struct{}) bool {
	f, _ := b.get()
	if f.hits(r) && f.Delay > 0 {
		t := time.NewTimer(f.Delay.Std())
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		case <-done:
		}
	}
	return b.pass(w, r, done, false)
}

// after is before for a request that was carried out and has its answer ready.
func (b *faultBox) after(w http.ResponseWriter, r *http.Request, done <-chan struct{}) bool {
	return b.pass(w, r, done, true)
}

func (b *faultBox) pass(w http.ResponseWriter, r *http.Request, done <-chan struct{}, carriedOut bool) bool {
	for {
		f, changed := b.get()
		switch {
		case !f.hits(r) || f.AfterEffect && !carriedOut:
			return true
		case f.Freeze:
			select {
			case <-changed:
				continue
			case <-r.Context().Done():
				return false
			case <-done:
				return true
			}
		case f.Drop:
			cut(w)
			return false
		case f.Error != 0:
			textReply(f.Error, "%s", errorText(f.Error)).write(w)
			return false
		default:
			return true
		}
	}
}

func (f Faults) hits(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, f.Path) }

func errorText(status int) string {
	switch status {
	case http.StatusInternalServerError:
		return "No cluster leader"
	case http.StatusForbidden:
		return "Permission denied"
	default:
		return http.StatusText(status)
	}
}

// cut closes the connection with a reset.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
