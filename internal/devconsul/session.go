package devconsul

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/consul/api"
)

// What Consul takes when the request leaves it out, and its limits.
const (
	defaultLockDelay = 15 * time.Second
	maxLockDelay     = 60 * time.Second
	maxTTL           = 24 * time.Hour
)

// session is one session; it is replaced, never changed.
type session struct {
	id        string
	index     uint64
	name      string
	ttl       time.Duration
	lockDelay time.Duration
	behavior  string
	checks    []string
}

func (x *session) entry() *api.SessionEntry {
	return &api.SessionEntry{
		CreateIndex: x.index, ID: x.id, Name: x.name, Node: nodeName, LockDelay: x.lockDelay,
		Behavior: x.behavior, TTL: x.ttl.String(), NodeChecks: x.checks,
	}
}

func (s *Server) sessionCreate(r *http.Request) reply {
	body, failed := readBody(r)
	if failed != nil {
		return *failed
	}
	x, err := parseSession(body)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return textReply(http.StatusBadRequest, "Request decode failed: %v", err)
	case err != nil:
		return textReply(http.StatusInternalServerError, "%v", err)
	}
	if x.ttl != 0 && (x.ttl < s.opts.MinTTL || x.ttl > maxTTL) {
		return textReply(http.StatusInternalServerError, "Invalid Session TTL '%d', must be between [%v=%v]",
			x.ttl, s.opts.MinTTL, maxTTL)
	}
	id, err := uuid.NewRandomFromReader(s.opts.Random)
	if err != nil {
		return textReply(http.StatusInternalServerError, "%v", err)
	}
	x.id = id.String()
	s.change(func(st *state) bool {
		x.index = st.index
		st.sessions[x.id] = x
		s.startTimer(x)
		return true
	})
	return jsonReply(map[string]string{"ID": x.id})
}

func parseSession(body []byte) (*session, error) {
	var in struct {
		Name       string
		TTL        string
		LockDelay  any
		Behavior   string
		NodeChecks *[]string
		Checks     *[]string
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
	}
	x := &session{name: in.Name, behavior: in.Behavior, lockDelay: defaultLockDelay}
	switch x.behavior {
	case "":
		x.behavior = api.SessionBehaviorRelease
	case api.SessionBehaviorRelease, api.SessionBehaviorDelete:
	default:
		return nil, fmt.Errorf("invalid Behavior setting '%s'", x.behavior)
	}
	// Only an empty list of NodeChecks or Checks takes serfHealth away (hazard K2).
	if in.NodeChecks == nil && in.Checks == nil {
		x.checks = []string{"serfHealth"}
	}
	var err error
	if in.TTL != "" {
		if x.ttl, err = time.ParseDuration(in.TTL); err != nil {
			return nil, fmt.Errorf("Session TTL '%s' invalid: %w", in.TTL, err)
		}
	}
	switch v := in.LockDelay.(type) {
	case string:
		x.lockDelay, err = time.ParseDuration(v)
	case float64:
		x.lockDelay = time.Duration(v)
	}
	if x.lockDelay < time.Microsecond {
		// As Consul does: so small a number must have meant seconds.
		x.lockDelay *= time.Second
	}
	return x, err
}

// startTimer ends the session after its TTL, as often as Options.TTLFactor says.
// The caller holds mu.
func (s *Server) startTimer(x *session) {
	if old := s.timers[x.id]; old != nil {
		old.Stop()
	}
	if x.ttl <= 0 {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(x.ttl*time.Duration(s.opts.TTLFactor), func() {
		s.change(func(st *state) bool {
			// A renewal that came between firing and now put another timer here.
			return s.timers[x.id] == t && s.endSession(st, x.id)
		})
	})
	s.timers[x.id] = t
}

// endSession releases the session's locks, or deletes their keys where it was made
// so, and starts their lock-delays. The caller holds mu.
func (s *Server) endSession(st *state, id string) bool {
	x := st.sessions[id]
	if x == nil {
		return false
	}
	if t := s.timers[id]; t != nil {
		t.Stop()
		delete(s.timers, id)
	}
	delete(st.sessions, id)
	for _, p := range st.list("") {
		if p.Session != id {
			continue
		}
		if x.behavior == api.SessionBehaviorDelete {
			st.remove(p.Key)
		} else {
			st.unlock(&api.KVPair{Key: p.Key, Value: p.Value, Flags: p.Flags, Session: id})
		}
		if x.lockDelay > 0 {
			st.delays[p.Key] = time.Now().Add(min(x.lockDelay, maxLockDelay))
		}
	}
	return true
}

func (s *Server) sessionRenew(r *http.Request) reply {
	id := r.PathValue("id")
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.sessions[id]
	if x == nil {
		return textReply(http.StatusNotFound, "Session id '%s' not found", id)
	}
	s.startTimer(x)
	return jsonReply([]*api.SessionEntry{x.entry()})
}

func (s *Server) sessionDestroy(r *http.Request) reply {
	s.change(func(st *state) bool { return s.endSession(st, r.PathValue("id")) })
	return jsonReply(true)
}

func (s *Server) sessionInfo(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*api.SessionEntry{}
	if x := s.state.sessions[r.PathValue("id")]; x != nil {
		out = append(out, x.entry())
	}
	return jsonReply(out).at(s.state.index)
}

func (s *Server) sessionList(*http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*api.SessionEntry{}
	for _, id := range slices.Sorted(maps.Keys(s.state.sessions)) {
		out = append(out, s.state.sessions[id].entry())
	}
	return jsonReply(out).at(s.state.index)
}
