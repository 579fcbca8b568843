package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/systemd"
)

// The daemons' units.
const (
	AgentUnit       = "redfleet-agent.service"
	CoordinatorUnit = "redfleet-coordinator.service"
)

// Units is the part of systemd that joining needs.
type Units interface {
	Daemon(ctx context.Context, unit string) (systemd.Daemon, error)
	Run(ctx context.Context, unit string) error
}

var _ Units = (*systemd.Manager)(nil)

// Daemons are the units that the machine is to run.
func (p *Plan) Daemons() []string {
	if p.Coordinator == nil {
		return []string{AgentUnit}
	}
	return []string{AgentUnit, CoordinatorUnit}
}

// Installed makes sure that systemd knows the units, before anything is written.
func (p *Plan) Installed(ctx context.Context, u Units) error {
	for _, unit := range p.Daemons() {
		d, err := u.Daemon(ctx, unit)
		if err != nil {
			return err
		}
		if !d.Installed {
			return fmt.Errorf("systemd has no %s: install the redfleet package first (dpkg -i redfleet_*.deb)", unit)
		}
	}
	return nil
}

// Start enables and starts the daemons, or starts them anew with their new files;
// no instance is touched by that (promise fail-static).
func (p *Plan) Start(ctx context.Context, u Units) error {
	for _, unit := range p.Daemons() {
		if err := u.Run(ctx, unit); err != nil {
			return err
		}
	}
	return nil
}

// givenUp is how often systemd may start a daemon again before that is no longer a
// hiccup.
const givenUp = 3

// lookEvery is the time between two looks; tellEvery between two words about it.
const (
	lookEvery = 100 * time.Millisecond
	tellEvery = 3 * time.Second
)

// Await waits until a new run of the agent has reported, and the coordinator runs,
// until ctx ends. tell hears every few seconds what is waited for.
func (p *Plan) Await(ctx context.Context, u Units, tell func(string)) error {
	client, err := consul.New(consul.Options{Address: p.Agent.Consul.Address, TokenFile: p.Agent.Consul.TokenFile})
	if err != nil {
		return err
	}
	defer client.Close()
	began, told := time.Now(), time.Now()
	for {
		waits, err := p.missing(ctx, u, client)
		if err != nil || waits == "" {
			return err
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			tell(fmt.Sprintf("%s (%.0f s)", waits, time.Since(began).Seconds()))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s; gave up after %.0f s: %w; journalctl -u %s says more, and the same redfleet join can be run again",
				waits, time.Since(began).Seconds(), context.Cause(ctx), AgentUnit)
		case <-time.After(lookEvery):
		}
	}
}

// missing is what is still waited for; empty when all is there. An error is what
// waiting does not mend.
func (p *Plan) missing(ctx context.Context, u Units, client *consul.Client) (string, error) {
	for _, unit := range p.Daemons() {
		d, err := u.Daemon(ctx, unit)
		if err != nil {
			return "", err
		}
		if d.Restarts >= givenUp || d.Active == "failed" {
			return "", fmt.Errorf("%s does not stay up (%s, result %s, started again %d times): journalctl -u %s says why", unit, d.Active, d.Result, d.Restarts, unit)
		}
		if d.Active != "active" {
			return fmt.Sprintf("waiting for %s, which is %s (%s)", unit, d.Active, d.Sub), nil
		}
	}
	key := fleet.KeysOf(p.Agent.Fleet).Report(p.Agent.Node)
	entry, found, err := client.Get(ctx, key)
	switch {
	case errors.Is(err, consul.ErrDenied):
		return "", err
	case err != nil:
		return "waiting for Consul: " + err.Error(), nil
	case !found || entry.Session == "" || len(entry.Value) == 0:
		return "waiting for the agent's first report in Consul", nil
	}
	report, err := records.Decode[fleet.Report](key, entry.Value)
	if err != nil || report.Boot == p.boot || report.Address != p.Agent.Address {
		return "waiting for the agent's new report in Consul", nil //nolint:nilerr // a report of before is no error
	}
	return "", nil
}
