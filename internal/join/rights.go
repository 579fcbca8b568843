package join

import (
	"context"
	"errors"
	"fmt"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/policy"
	"github.com/redfleet/redfleet/internal/records"
)

// ErrTaken: another machine has this node's name (hazard M4).
var ErrTaken = errors.New("the node name is taken")

// rights asks Consul, without using any of them, whether the tokens can do what the
// daemons will do.
func (m *maker) rights(ctx context.Context) error {
	self, err := m.client.Self(ctx)
	var denied *consul.DeniedError
	switch {
	case errors.As(err, &denied):
		return m.lacks(policy.RoleAgent, m.tokenSource(), denied.Rights)
	case err != nil:
		return err
	}
	m.plan.ConsulNode = self.Node
	node := policy.Node{Name: m.plan.Agent.Node, Consul: self.Node}
	missing, err := m.client.Missing(ctx, policy.Agent(m.plan.Agent.Fleet, node).Rights())
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return m.lacks(policy.RoleAgent, m.tokenSource(), missing)
	}
	return m.coordinatorRights(ctx, node)
}

func (m *maker) coordinatorRights(ctx context.Context, node policy.Node) error {
	if m.plan.Coordinator == nil {
		return nil
	}
	source := m.o.CoordinatorToken
	if source == "" {
		source = m.tokenSource()
	}
	client, err := consul.New(consul.Options{Address: m.plan.Agent.Consul.Address, TokenFile: source})
	if err != nil {
		return err
	}
	defer client.Close()
	missing, err := client.Missing(ctx, policy.Coordinator(m.plan.Agent.Fleet, node).Rights())
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return m.lacks(policy.RoleCoordinator, source, missing)
	}
	return nil
}

// lacks says which token is short of which rights, and which one is meant.
func (m *maker) lacks(role, file string, missing []consul.Right) error {
	title := role
	if role == policy.RoleAgent {
		title = policy.Agent(m.plan.Agent.Fleet, policy.Node{Name: m.plan.Agent.Node}).Title()
	}
	flag := map[string]string{policy.RoleAgent: "--token-file", policy.RoleCoordinator: "--coordinator-token-file"}[role]
	which := "no token was given, and Consul asks for one"
	if file != "" {
		which = "the token in " + file + " is not enough"
	}
	where := ""
	if m.plan.ConsulNode != "" {
		where = fmt.Sprintf(" (its policy is for node %q at the Consul agent %q)", m.plan.Agent.Node, m.plan.ConsulNode)
	}
	return fmt.Errorf("%w; give the %s's in %s: `redfleet init --consul ADDRESS` makes it as tokens/%s.token%s",
		&TokenError{Which: which, DeniedError: &consul.DeniedError{Rights: missing}}, role, flag, title, where)
}

// TokenError is a token that lacks rights.
type TokenError struct {
	Which string
	*consul.DeniedError
}

// Error says which token, then which rights.
func (e *TokenError) Error() string { return e.Which + ": " + e.DeniedError.Error() }

// Unwrap gives the rights to errors.As.
func (e *TokenError) Unwrap() error { return e.DeniedError }

// free refuses a name that another live agent has, with both addresses.
func (m *maker) free(ctx context.Context) error {
	a := m.plan.Agent
	key := fleet.KeysOf(a.Fleet).Report(a.Node)
	entry, found, err := m.client.Get(ctx, key)
	if err != nil || !found || len(entry.Value) == 0 {
		return err
	}
	report, err := records.Decode[fleet.Report](key, entry.Value)
	switch {
	case err != nil && entry.Session != "":
		return fmt.Errorf("%w: the report of node %q is held by session %s and cannot be read: %w", ErrTaken, a.Node, entry.Session, err)
	case err != nil:
		return nil // nobody holds it, and the agent writes it anew
	case report.Address == a.Address:
		m.plan.boot = report.Boot
	case entry.Session != "":
		return fmt.Errorf("%w: an agent at %s (machine %s) reports as node %q, and this machine is at %s: give this one another name with --node, or stop that one; "+
			"the name of an agent that is gone is free again within 4 minutes", ErrTaken, report.Address, report.MachineID, a.Node, a.Address)
	default:
		m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("node %s reported from %s before, until its agent was gone; it is at %s now", a.Node, report.Address, a.Address))
	}
	return nil
}

// keyFits refuses a key that is not the fleet's: a machine with another one could
// open none of its passwords.
func (m *maker) keyFits(ctx context.Context) error {
	keys := fleet.KeysOf(m.plan.Agent.Fleet)
	entry, found, err := m.client.Get(ctx, keys.Control())
	if err != nil || !found || len(entry.Value) == 0 {
		return err
	}
	control, err := records.Decode[fleet.Control](entry.Key, entry.Value)
	if err != nil {
		return err
	}
	recipients := []string{control.Recipient}
	secrets, err := m.client.List(ctx, keys.Secret(""), keys.Secret(""))
	if err != nil {
		return err
	}
	for _, e := range secrets {
		if s, err := records.Decode[fleet.Secret](e.Key, e.Value); err == nil {
			recipients = append(recipients, s.Recipient)
		}
	}
	for _, r := range recipients {
		if r != "" && r != m.key.Recipient() {
			return fmt.Errorf("%s is not the key of fleet %q: its public half is %s, the fleet's is %s; copy fleet.key from a machine of the fleet, or name the right fleet with --fleet",
				m.o.KeyFile, m.plan.Agent.Fleet, m.key.Recipient(), r)
		}
	}
	return nil
}
