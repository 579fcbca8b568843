package devconsul

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"
)

// nodeName is the one Consul agent that the stand-in plays.
const nodeName = "devconsul"

// service is one registration with its checks; it is replaced, never changed.
type service struct {
	index  uint64
	def    api.AgentService
	checks []check
}

// check is one check of a service with its present status.
type check struct {
	id     string
	name   string
	status string
	output string
	def    checkDefinition
}

// checkDefinition is the part of a check that the runner needs.
type checkDefinition struct {
	url            string
	interval       time.Duration
	timeout        time.Duration
	beforePassing  int
	beforeWarning  int
	beforeCritical int
}

func (s *Server) serviceRegister(r *http.Request) reply {
	body, failed := readBody(r)
	if failed != nil {
		return *failed
	}
	var reg api.AgentServiceRegistration
	if err := json.Unmarshal(body, &reg); err != nil {
		return textReply(http.StatusBadRequest, "Request decode failed: %v", err)
	}
	if reg.Name == "" {
		return textReply(http.StatusBadRequest, "Missing service name")
	}
	if reg.ID == "" {
		reg.ID = reg.Name
	}
	checks, err := s.parseChecks(&reg)
	if err != nil {
		return textReply(http.StatusBadRequest, "%v", err)
	}
	stopped := s.store(&service{
		def: api.AgentService{
			ID: reg.ID, Service: reg.Name, Tags: append([]string{}, reg.Tags...), Meta: reg.Meta,
			Address: reg.Address, Port: reg.Port, Weights: api.AgentWeights{Passing: 1, Warning: 1},
			Datacenter: datacenter,
		},
		checks: checks,
	})
	for _, old := range stopped {
		old.wait()
	}
	return reply{status: http.StatusOK}
}

func (s *Server) parseChecks(reg *api.AgentServiceRegistration) ([]check, error) {
	defs := reg.Checks
	if reg.Check != nil {
		defs = append(api.AgentServiceChecks{reg.Check}, defs...)
	}
	var out []check
	for i, d := range defs {
		def, err := s.parseCheck(d)
		if err != nil {
			return nil, err
		}
		c := check{id: d.CheckID, name: d.Name, status: d.Status, def: def}
		if c.id == "" {
			c.id = "service:" + reg.ID
			if len(defs) > 1 {
				c.id = fmt.Sprintf("%s:%d", c.id, i+1)
			}
		}
		if c.name == "" {
			c.name = fmt.Sprintf("Service '%s' check", reg.Name)
		}
		if c.status == "" {
			c.status = api.HealthCritical
		}
		out = append(out, c)
	}
	return out, nil
}

func (s *Server) parseCheck(d *api.AgentServiceCheck) (checkDefinition, error) {
	def := checkDefinition{
		url: d.HTTP, timeout: 10 * time.Second,
		beforePassing: d.SuccessBeforePassing, beforeWarning: d.FailuresBeforeWarning,
		beforeCritical: d.FailuresBeforeCritical,
	}
	if d.HTTP == "" {
		return def, fmt.Errorf("this stand-in knows HTTP checks only")
	}
	if def.beforeWarning == 0 {
		def.beforeWarning = def.beforeCritical
	}
	var err error
	if def.interval, err = time.ParseDuration(d.Interval); err != nil {
		return def, fmt.Errorf("invalid interval of a check: %w", err)
	}
	def.interval = max(def.interval, s.opts.MinInterval)
	if d.Timeout != "" {
		if def.timeout, err = time.ParseDuration(d.Timeout); err != nil {
			return def, fmt.Errorf("invalid timeout of a check: %w", err)
		}
	}
	return def, nil
}

// store puts the service in place of an older one and gives the runners that it
// stopped. A check that was there keeps its status; its runner starts anew.
func (s *Server) store(x *service) []*checkRunner {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncChecks()
	s.state.index++
	x.index = s.state.index
	var stopped []*checkRunner
	if old := s.state.services[x.def.ID]; old != nil {
		for i, c := range x.checks {
			if prev := slices.IndexFunc(old.checks, func(o check) bool { return o.id == c.id }); prev >= 0 {
				x.checks[i].status, x.checks[i].output = old.checks[prev].status, old.checks[prev].output
			}
		}
		stopped = s.stopChecks(old)
	}
	s.state.services[x.def.ID] = x
	s.state.serviceIndex = s.state.index
	select {
	case <-s.done:
	default:
		for _, c := range x.checks {
			s.startCheck(x.def.ID, c)
		}
	}
	s.wake()
	return stopped
}

func (s *Server) stopChecks(x *service) []*checkRunner {
	var stopped []*checkRunner
	for _, c := range x.checks {
		if r := s.runners[c.id]; r != nil {
			r.stop()
			stopped = append(stopped, r)
			delete(s.runners, c.id)
		}
	}
	return stopped
}

func (s *Server) serviceDeregister(r *http.Request) reply {
	id := r.PathValue("id")
	s.mu.Lock()
	x := s.state.services[id]
	var stopped []*checkRunner
	if x != nil {
		stopped = s.stopChecks(x)
		s.state.index++
		s.state.serviceIndex = s.state.index
		delete(s.state.services, id)
		s.wake()
	}
	s.mu.Unlock()
	for _, old := range stopped {
		old.wait()
	}
	if x == nil {
		return textReply(http.StatusNotFound,
			"Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
	}
	return reply{status: http.StatusOK}
}

// setCheck records what a runner found, unless that runner was stopped meanwhile.
func (s *Server) setCheck(r *checkRunner, status, output string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.runners[r.check] != r:
	case s.held != nil:
		s.held[r.check] = result{status, output}
	default:
		s.tell(r.service, r.check, result{status, output})
	}
}

// result is what a check found.
type result struct{ status, output string }

// tell brings a result to the catalog. The caller holds mu.
func (s *Server) tell(service, id string, found result) {
	x := s.state.services[service]
	if x == nil {
		return
	}
	at := slices.IndexFunc(x.checks, func(c check) bool { return c.id == id })
	if at < 0 || x.checks[at].status == found.status && x.checks[at].output == found.output {
		return
	}
	next := *x
	next.checks = slices.Clone(x.checks)
	next.checks[at].status, next.checks[at].output = found.status, found.output
	s.state.index++
	s.state.serviceIndex = s.state.index
	s.state.services[service] = &next
	s.wake()
}

// syncChecks brings what was held back to the catalog. The caller holds mu.
func (s *Server) syncChecks() {
	for id, found := range s.held {
		if r := s.runners[id]; r != nil {
			s.tell(r.service, id, found)
		}
	}
	clear(s.held)
}

// sortedServices gives the services by ID. The caller holds mu.
func sortedServices(st *state) []*service {
	var out []*service
	for _, id := range slices.Sorted(maps.Keys(st.services)) {
		out = append(out, st.services[id])
	}
	return out
}
