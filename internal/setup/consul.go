package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/policy"
)

// ACL is the part of the Consul client that making tokens needs; its token must
// have the right `acl write`.
type ACL interface {
	ReadPolicy(ctx context.Context, name string) (consul.Policy, bool, error)
	CreatePolicy(ctx context.Context, p consul.Policy) error
	FindToken(ctx context.Context, description string) (consul.Token, bool, error)
	CreateToken(ctx context.Context, description, policy string) (consul.Token, error)
}

var _ ACL = (*consul.Client)(nil)

// Grant is what became of one policy and its token.
type Grant struct {
	Policy policy.Policy
	// NewPolicy and NewToken: made now, and not found.
	NewPolicy, NewToken bool
	// Differs: Consul has a policy of this name with other rules; it was left alone.
	Differs bool
	// File holds the token.
	File string
}

// Grant makes the policies and a token for each of them in Consul, where they are
// missing, and writes the tokens into files of mode 0600. A token that was made
// before and whose file is gone is fetched again, so that a run that was cut off
// leaves none behind.
func (p Plan) Grant(ctx context.Context, c ACL, policies []policy.Policy) ([]Grant, error) {
	var out []Grant
	for _, pol := range policies {
		g := Grant{Policy: pol, File: p.TokenFile(pol.Title())}
		if err := g.policy(ctx, c); err != nil {
			return out, err
		}
		if err := g.token(ctx, c); err != nil {
			return out, err
		}
		out = append(out, g)
	}
	return out, nil
}

func (g *Grant) policy(ctx context.Context, c ACL) error {
	there, found, err := c.ReadPolicy(ctx, g.Policy.Name())
	if err != nil {
		return err
	}
	if found {
		g.Differs = strings.TrimSpace(there.Rules) != strings.TrimSpace(g.Policy.HCL())
		return nil
	}
	g.NewPolicy = true
	return c.CreatePolicy(ctx, consul.Policy{Name: g.Policy.Name(), Description: g.Policy.Description(), Rules: g.Policy.HCL()})
}

func (g *Grant) token(ctx context.Context, c ACL) error {
	token, found, err := c.FindToken(ctx, g.Policy.Name())
	if err != nil {
		return err
	}
	old, err := os.ReadFile(g.File)
	switch {
	case err == nil && (!found || strings.TrimSpace(string(old)) != token.Secret):
		return fmt.Errorf("%s holds another token than Consul has as %q; move the file away and run this again to have the right one there",
			g.File, g.Policy.Name())
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file of a token: %w", err)
	}
	if !found {
		if token, err = c.CreateToken(ctx, g.Policy.Name(), g.Policy.Name()); err != nil {
			return err
		}
	}
	g.NewToken = true
	_, err = writeNew(g.File, []byte(token.Secret+"\n"), 0o600)
	return err
}
