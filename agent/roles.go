package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/agent/preflight"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/netport"
)

// roles answers Consul's HTTP checks: 200 for an instance only while the tag
// that is registered for it is true, with what is true as the text.
type roles struct {
	mu   sync.Mutex
	tags map[fleet.InstanceID]string
	said map[fleet.InstanceID]string
}

// set replaces what is true: a tag (empty for none) per instance that serves, and a sentence for
// each one that does not.
func (r *roles) set(tags, said map[fleet.InstanceID]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags, r.said = tags, said
}

func (r *roles) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	id := fleet.InstanceID(req.PathValue("instance"))
	r.mu.Lock()
	tag, serves := r.tags[id]
	said := r.said[id]
	r.mu.Unlock()
	want := req.URL.Query().Get("tag")
	switch {
	case serves && (want == "" || want == tag):
		fmt.Fprintf(w, "%s is %s\n", id, cmp.Or(tag, "up, and nobody's to use for now"))
	case serves:
		http.Error(w, fmt.Sprintf("%s is %s, not %s", id, tag, want), http.StatusServiceUnavailable)
	case said != "":
		http.Error(w, fmt.Sprintf("%s: %s", id, said), http.StatusServiceUnavailable)
	default:
		http.Error(w, fmt.Sprintf("%s is not an instance of this node", id), http.StatusNotFound)
	}
}

// roleServer serves the role checks on one address.
type roleServer struct {
	listener net.Listener
	server   *http.Server
}

// listen takes the agent's own address. One agent per address: the port is also
// what keeps a second agent from this machine.
func (r *roles) listen(ctx context.Context, via Network, addr string) (*roleServer, error) {
	l, err := listenSoon(ctx, via, addr)
	if err != nil {
		return nil, refusedAddress(addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /role/{instance}", r)
	mux.HandleFunc("GET "+preflight.ClockPath, tellClock)
	return &roleServer{listener: l, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}}, nil
}

// tellClock gives this machine's time, for the preflight of other nodes.
func tellClock(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, time.Now().UTC().Format(time.RFC3339Nano))
}

// listenPatience is how long an address that is taken is tried again: an agent
// that was just killed can have left a copy of its socket in a process that it
// was about to start, until that one is executed.
const listenPatience = time.Second

func listenSoon(ctx context.Context, via Network, addr string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	for {
		l, err := via.Listen(ctx, "tcp", addr)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// refusedAddress says who has the address, or what else is wrong with it.
func refusedAddress(addr string, err error) error {
	at, bad := net.ResolveTCPAddr("tcp", addr)
	if bad != nil || !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the role checks cannot be served on %s: %w; set http in agent.toml to an address of this machine", addr, err)
	}
	who, _ := netport.Owner(at.AddrPort())
	return fmt.Errorf("%w: %s is in use by %s; stop it if it is another agent, or give this one another http address in agent.toml",
		ErrAddressTaken, addr, who)
}

// serve answers until ctx ends.
func (s *roleServer) serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(s.listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_ = s.server.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
