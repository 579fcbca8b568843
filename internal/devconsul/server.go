// Package devconsul is an in-memory stand-in for the part of Consul's HTTP API
// that redfleet uses: KV with CAS, locks and transactions, blocking queries,
// sessions with TTL and lock-delay, services with HTTP checks. `redfleet lab`
// and tests run on it; production uses real Consul only.
//
// It is no second store: clients reach it through consul/api over HTTP as they
// reach Consul, and one conformance suite (internal/consul/consultest) runs
// against both. Its answers follow Consul 1.20. What it lacks is what no suite
// could show on one agent: ACLs (tokens are taken and ignored), gossip, Raft.
//
// For tests it can misbehave on demand; see Faults.
package devconsul

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options change the stand-in's times, so that tests need not wait as long as
// with Consul. Zero values are Consul's own.
type Options struct {
	// MinTTL is the shortest session TTL that is taken; Consul's is 10 s.
	MinTTL time.Duration
	// TTLFactor is how many TTLs after the last renewal a session ends. Consul
	// promises 1 at least and takes 2 (hazard K1).
	TTLFactor int
	// MinInterval is the shortest interval of a check; Consul's is 1 s.
	MinInterval time.Duration
	// Random makes session ids; nil means crypto/rand. It must be safe for
	// concurrent use.
	Random io.Reader
	// NoChecks: a registered check keeps the status that it was registered with.
	NoChecks bool
}

func (o Options) withDefaults() Options {
	if o.MinTTL <= 0 {
		o.MinTTL = 10 * time.Second
	}
	if o.TTLFactor <= 0 {
		o.TTLFactor = 2
	}
	if o.MinInterval <= 0 {
		o.MinInterval = time.Second
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return o
}

// Server is one stand-in with its state. Its handler is safe for concurrent use.
type Server struct {
	opts Options

	mu    sync.Mutex
	state *state
	// changed is closed and made anew with every change of the state.
	changed chan struct{}
	timers  map[string]*time.Timer
	runners map[string]*checkRunner
	// held are the results of checks that the catalog does not have yet, by check;
	// nil while none are held back.
	held map[string]result

	faults *faultBox
	// waiting counts the blocking queries that found nothing new so far.
	waiting atomic.Int64
	done    chan struct{}
	closed  sync.Once
}

// New makes an empty stand-in. Close ends what it starts.
func New(o Options) *Server {
	return &Server{
		opts:    o.withDefaults(),
		state:   newState(),
		changed: make(chan struct{}),
		timers:  map[string]*time.Timer{},
		runners: map[string]*checkRunner{},
		faults:  newFaultBox(),
		done:    make(chan struct{}),
	}
}

// Close answers every waiting request and stops all timers and checks; it returns
// when they have stopped.
func (s *Server) Close() {
	s.closed.Do(func() { close(s.done) })
	s.mu.Lock()
	stopped := s.stopAll()
	s.mu.Unlock()
	for _, r := range stopped {
		r.wait()
	}
}

// Waiting is how many blocking queries wait at this moment, for tests that must
// not act before a watch has settled.
func (s *Server) Waiting() int { return int(s.waiting.Load()) }

// stopAll ends all timers and asks all check runners to end. The caller holds mu,
// and waits for the runners after it has let go of it, since they take it too.
func (s *Server) stopAll() []*checkRunner {
	for id, t := range s.timers {
		t.Stop()
		delete(s.timers, id)
	}
	var stopped []*checkRunner
	for id, r := range s.runners {
		r.stop()
		stopped = append(stopped, r)
		delete(s.runners, id)
	}
	return stopped
}

// wake lets every blocking query look again. The caller holds mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Handler is the HTTP API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	api := func(pattern string, h func(*http.Request) reply) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
	}
	api("GET /v1/kv/{key...}", s.kvGet)
	api("PUT /v1/kv/{key...}", s.kvPut)
	api("DELETE /v1/kv/{key...}", s.kvDelete)
	api("PUT /v1/txn", s.txn)
	api("PUT /v1/session/create", s.sessionCreate)
	api("PUT /v1/session/renew/{id}", s.sessionRenew)
	api("PUT /v1/session/destroy/{id}", s.sessionDestroy)
	api("GET /v1/session/info/{id}", s.sessionInfo)
	api("GET /v1/session/list", s.sessionList)
	api("PUT /v1/agent/service/register", s.serviceRegister)
	api("PUT /v1/agent/service/deregister/{id...}", s.serviceDeregister)
	api("GET /v1/agent/services", s.agentServices)
	api("GET /v1/agent/self", s.agentSelf)
	api("GET /v1/health/service/{name}", s.healthService)
	api("GET /v1/catalog/services", s.catalogServices)
	api("GET /v1/catalog/nodes", s.catalogNodes)
	api("/v1/acl/", s.noACL)
	api("POST /v1/internal/acl/authorize", s.noACL)
	api("GET /v1/status/leader", s.statusLeader)
	s.faultRoutes(mux)
	return mux
}

// serve runs one request between the two places where a fault can hit it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, h func(*http.Request) reply) {
	if !s.faults.before(w, r, s.done) {
		return
	}
	answer := h(r)
	if !s.faults.after(w, r, s.done) {
		return
	}
	answer.write(w)
}

// Serve runs a stand-in with Consul's own times on the address host:port until
// ctx ends.
func Serve(ctx context.Context, listen string) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("starting the Consul stand-in on %s: %w", listen, err)
	}
	s := New(Options{})
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case <-ctx.Done():
		s.Close()
		_ = srv.Close()
		<-failed
		return nil
	case err := <-failed:
		s.Close()
		return fmt.Errorf("serving the Consul stand-in on %s: %w", listen, err)
	}
}
