package preflight

import (
	"context"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// ForAgent is the input of an agent's own preflight: its file, its goal and its
// client of Consul. The fleet's records are read where the token may.
func ForAgent(ctx context.Context, config specfile.AgentConfig, goal fleet.Goal, client *consul.Client) *Input {
	in := &Input{
		Config: config, ConfigFile: "agent.toml", Plan: OfGoal(goal), Consul: client, Systemd: systemd.Version,
	}
	in.distro = in.lookAtDistro(ctx)
	in.load(ctx, client)
	return in
}
