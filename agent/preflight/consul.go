package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/policy"
)

// consulFact is how Consul answered.
type consulFact struct {
	leader string
	err    error
}

func gatherConsul(ctx context.Context, in *Input) (consulFact, error) {
	if in.Consul == nil {
		return consulFact{err: in.ConsulErr}, nil
	}
	leader, err := in.Consul.Leader(ctx)
	return consulFact{leader: leader, err: err}, nil
}

func judgeConsul(in *Input, f consulFact) Finding {
	if f.err != nil {
		return fail("start the Consul agent of this machine, or name another with address under [consul] in agent.toml",
			"%s: %v", in.Config.Consul.Address, f.err)
	}
	switch {
	case in.World != nil:
		return ok("%s answers; its leader is %s", in.Config.Consul.Address, f.leader)
	case errors.Is(in.WorldErr, consul.ErrDenied):
		// As it should be with an agent's token: other nodes' reports are not its own.
		return ok("%s answers; its leader is %s. Other nodes' reports are not for this token: with --token-file and a viewer's, more is compared",
			in.Config.Consul.Address, f.leader)
	}
	return warn("see the error", "%s answers, and the fleet's records cannot be read: %v", in.Config.Consul.Address, in.WorldErr)
}

// rightsFact is what the agent's token lacks.
type rightsFact struct {
	// node is the Consul agent's name.
	node    string
	asked   int
	missing []consul.Right
	// skipped says why nothing was asked.
	skipped string
}

// gatherRights asks Consul what the agent's token may do, and uses none of it
// (hazard K6).
func gatherRights(ctx context.Context, in *Input) (rightsFact, error) {
	switch {
	case in.Consul == nil:
		return rightsFact{skipped: "Consul cannot be asked"}, nil
	case in.ConfigErr != nil || in.Config.Fleet == "" || in.Config.Node == "":
		return rightsFact{skipped: "the agent's token is named in agent.toml, which there is not yet"}, nil
	}
	self, err := in.Consul.Self(ctx)
	var denied *consul.DeniedError
	switch {
	case errors.As(err, &denied):
		return rightsFact{asked: len(denied.Rights), missing: denied.Rights}, nil
	case errors.Is(err, consul.ErrOut):
		return rightsFact{skipped: "Consul cannot be asked"}, nil
	case err != nil:
		return rightsFact{}, err
	}
	rights := policy.Agent(in.Config.Fleet, policy.Node{Name: in.Config.Node, Consul: self.Node}).Rights()
	missing, err := in.Consul.Missing(ctx, rights)
	return rightsFact{node: self.Node, asked: len(rights), missing: missing}, err
}

func judgeRights(in *Input, f rightsFact) Finding {
	if f.skipped != "" {
		return none("%s", f.skipped)
	}
	if len(f.missing) == 0 {
		return ok("the agent's token has all %d rights that it needs, or the ACLs are off", f.asked)
	}
	names := make([]string, len(f.missing))
	for i, r := range f.missing {
		names[i] = r.String()
	}
	return fail(fmt.Sprintf("give the agent's token the policy that redfleet init wrote for %s", in.Config.Node),
		"the agent's token lacks %s", strings.Join(names, ", "))
}
