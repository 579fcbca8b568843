package consul

import (
	"context"
	"maps"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Service is one registration with the local Consul agent.
type Service struct {
	// ID is unique on the Consul agent; Name is what DNS and clients ask for.
	ID   string
	Name string
	Tags []string
	Addr fleet.Addr
	Meta map[string]string
	// Check tells Consul how to test the service; nil means always passing.
	Check *Check
	// Renewed, where it is set, goes into the service's meta and its check's ID, so
	// that with another Renewed all of the registration is in the catalog when Register
	// returns, the check's Status with it. Without it Consul keeps two things to itself:
	// its agent compares its own with the catalog only every one to two minutes, where
	// the catalog lost something (K5), and what a check found since stays with the agent
	// for 15 to 30 s where a registration came while it wanted to compare (K10).
	Renewed time.Time
}

// Check is an HTTP check that the local Consul agent makes: 2xx is passing, 429
// warning, all else critical.
type Check struct {
	// HTTP is the URL to get.
	HTTP string
	// Interval is the time between two tests; Consul makes it 1 s at least.
	Interval time.Duration
	// Timeout of one test; 0 means Consul's 10 s.
	Timeout time.Duration
	// FailuresBeforeCritical is how many tests in a row must fail before a passing
	// check turns critical; 0 and 1 both mean the first one. Consul counts the
	// first test after a registration as the last of the row, whatever the number.
	FailuresBeforeCritical int
	// Status to begin with: "passing" or "critical" (the default). It counts for a
	// check that Consul does not have yet, and with another Renewed.
	Status string
}

// Register adds the service to the local Consul agent or brings it up to date.
// Doing it again is safe: a check that exists keeps its status where Renewed stays
// as it is, so a change of tags does not make the service flap, though the next
// failed test turns it critical at once.
func (c *Client) Register(ctx context.Context, s Service) error {
	reg := &api.AgentServiceRegistration{
		ID: s.ID, Name: s.Name, Tags: s.Tags, Address: s.Addr.Host, Port: s.Addr.Port, Meta: s.Meta,
	}
	checkID := "" // Consul's own: "service:" and the service's ID
	if !s.Renewed.IsZero() {
		at := s.Renewed.UTC().Format(time.RFC3339Nano)
		checkID = "service:" + s.ID + ":" + at
		reg.Meta = maps.Clone(s.Meta)
		if reg.Meta == nil {
			reg.Meta = map[string]string{}
		}
		reg.Meta["renewed"] = at
	}
	if s.Check != nil {
		check := &api.AgentServiceCheck{
			CheckID: checkID, Name: s.Name + " answers", HTTP: s.Check.HTTP, Interval: s.Check.Interval.String(),
			FailuresBeforeCritical: s.Check.FailuresBeforeCritical, Status: s.Check.Status,
		}
		if s.Check.Timeout > 0 {
			check.Timeout = s.Check.Timeout.String()
		}
		reg.Check = check
	}
	return c.call(ctx, "registering the service "+s.ID, func(ctx context.Context) error {
		opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
		return c.api.Agent().ServiceRegisterOpts(reg, opts)
	})
}

// Deregister takes the service off the local Consul agent. One that is not there
// is no error.
func (c *Client) Deregister(ctx context.Context, id string) error {
	return c.call(ctx, "deregistering the service "+id, func(ctx context.Context) error {
		return ignoreNotFound(c.api.Agent().ServiceDeregisterOpts(id, query(ctx)))
	})
}

// AgentServices gives what is registered with the local Consul agent, by ID. The
// checks are not part of it.
func (c *Client) AgentServices(ctx context.Context) (map[string]Service, error) {
	var out map[string]Service
	err := c.call(ctx, "listing the local Consul agent's services", func(ctx context.Context) error {
		services, err := c.api.Agent().ServicesWithFilterOpts("", query(ctx))
		if err != nil {
			return err
		}
		out = make(map[string]Service, len(services))
		for id, s := range services {
			out[id] = Service{
				ID: s.ID, Name: s.Service, Tags: s.Tags, Meta: s.Meta,
				Addr: fleet.Addr{Host: s.Address, Port: s.Port},
			}
		}
		return nil
	})
	return out, err
}

// Services gives all instances of a service in the catalog with the outcome of
// their checks; an unknown name gives none. Hidden ones are ErrDenied, as in List,
// but for a client without any token: Consul does not tell it.
func (c *Client) Services(ctx context.Context, name string) ([]fleet.ServiceEntry, error) {
	var out []fleet.ServiceEntry
	err := c.call(ctx, "reading the health of the service "+name, func(ctx context.Context) error {
		entries, meta, err := c.api.Health().Service(name, "", false, query(ctx))
		if err != nil {
			return err
		}
		for _, e := range entries {
			out = append(out, serviceEntry(e))
		}
		if meta.ResultsFilteredByACLs {
			return &DeniedError{Rights: []Right{{Resource: "service", Name: name, Access: "read"}, {Resource: "node", Prefix: true, Access: "read"}}}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func serviceEntry(e *api.ServiceEntry) fleet.ServiceEntry {
	host := e.Service.Address
	if host == "" && e.Node != nil {
		host = e.Node.Address
	}
	return fleet.ServiceEntry{
		Service: e.Service.Service,
		ID:      e.Service.ID,
		Addr:    fleet.Addr{Host: host, Port: e.Service.Port},
		Tags:    e.Service.Tags,
		Passing: e.Checks.AggregatedStatus() == api.HealthPassing,
	}
}
