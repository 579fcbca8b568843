package devconsul

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// checkRunner carries out one HTTP check again and again, as a Consul agent does.
type checkRunner struct {
	server  *Server
	service string
	check   string
	def     checkDefinition
	cancel  context.CancelFunc
	ended   chan struct{}

	successes int
	failures  int
}

// startCheck begins a check of a service. The caller holds mu.
func (s *Server) startCheck(service string, c check) {
	if !s.opts.NoChecks {
		s.runners[c.id] = startCheck(s, service, c.id, c.def)
	}
}

func startCheck(s *Server, service, id string, def checkDefinition) *checkRunner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &checkRunner{
		server: s, service: service, check: id, def: def, cancel: cancel, ended: make(chan struct{}),
		// Consul begins with full counters, so the first result after a registration
		// counts by itself.
		successes: def.beforePassing, failures: def.beforeCritical,
	}
	go r.run(ctx)
	return r
}

func (r *checkRunner) stop() { r.cancel() }
func (r *checkRunner) wait() { <-r.ended }

// run waits a random part of the interval first, so that checks do not come all at
// once.
func (r *checkRunner) run(ctx context.Context) {
	defer close(r.ended)
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: r.def.timeout}
	timer := time.NewTimer(rand.N(r.def.interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		status, output := r.try(ctx, client)
		if ctx.Err() != nil {
			return
		}
		r.count(status, output)
		timer.Reset(r.def.interval)
	}
}

func (r *checkRunner) try(ctx context.Context, client *http.Client) (status, output string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.def.url, http.NoBody)
	if err != nil {
		return api.HealthCritical, err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return api.HealthCritical, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return api.HealthCritical, err.Error()
	}
	output = fmt.Sprintf("HTTP GET %s: %s Output: %s", r.def.url, resp.Status, body)
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return api.HealthPassing, output
	case resp.StatusCode == http.StatusTooManyRequests:
		return api.HealthWarning, output
	default:
		return api.HealthCritical, output
	}
}

// count changes the status only after enough equal results in a row.
func (r *checkRunner) count(status, output string) {
	if status != api.HealthCritical {
		r.successes++
		r.failures = 0
		if r.successes >= r.def.beforePassing {
			r.server.setCheck(r, status, output)
		}
		return
	}
	r.failures++
	r.successes = 0
	switch {
	case r.failures >= r.def.beforeCritical:
		r.server.setCheck(r, api.HealthCritical, output)
	case r.failures >= r.def.beforeWarning:
		r.server.setCheck(r, api.HealthWarning, output)
	}
}
