package consul

import (
	"context"

	"github.com/hashicorp/consul/api"
)

// Policy is an ACL policy of Consul.
type Policy struct {
	Name        string
	Description string
	// Rules is HCL.
	Rules string
}

// Token is an ACL token. Its Secret is never printed by redfleet, only written to
// files of mode 0600 (promise secrets-stay-secret).
type Token struct {
	Accessor    string
	Secret      string
	Description string
	Policies    []string
}

// ReadPolicy looks a policy up by name; found is false when there is none. It
// needs the right `acl read`. ErrNoACL: Consul has its ACLs switched off.
func (c *Client) ReadPolicy(ctx context.Context, name string) (p Policy, found bool, err error) {
	err = c.call(ctx, "reading the ACL policy "+name, func(ctx context.Context) error {
		got, _, err := c.api.ACL().PolicyReadByName(name, query(ctx))
		if got != nil {
			p, found = Policy{Name: got.Name, Description: got.Description, Rules: got.Rules}, true
		}
		return err
	})
	return p, found, err
}

// CreatePolicy makes a policy; one of that name that exists already is an error.
// It needs the right `acl write`.
func (c *Client) CreatePolicy(ctx context.Context, p Policy) error {
	return c.call(ctx, "creating the ACL policy "+p.Name, func(ctx context.Context) error {
		_, _, err := c.api.ACL().PolicyCreate(&api.ACLPolicy{Name: p.Name, Description: p.Description, Rules: p.Rules}, write(ctx))
		return err
	})
}

// FindToken gives the token with this description, with its secret; found is
// false when there is none. It needs the right `acl write`: with `acl read` alone
// Consul hides the secret, and that is an error.
func (c *Client) FindToken(ctx context.Context, description string) (t Token, found bool, err error) {
	err = c.call(ctx, "looking for the ACL token "+description, func(ctx context.Context) error {
		list, _, err := c.api.ACL().TokenList(query(ctx))
		if err != nil {
			return err
		}
		for _, entry := range list {
			if entry.Description != description {
				continue
			}
			full, _, err := c.api.ACL().TokenRead(entry.AccessorID, query(ctx))
			if err != nil {
				return err
			}
			t, found = tokenOf(full), true
			return nil
		}
		return nil
	})
	return t, found, err
}

// CreateToken makes a token with one policy, by its name, and gives its secret.
// It needs the right `acl write`.
func (c *Client) CreateToken(ctx context.Context, description, policy string) (t Token, err error) {
	err = c.call(ctx, "creating the ACL token "+description, func(ctx context.Context) error {
		made, _, err := c.api.ACL().TokenCreate(&api.ACLToken{
			Description: description, Policies: []*api.ACLTokenPolicyLink{{Name: policy}},
		}, write(ctx))
		if err == nil {
			t = tokenOf(made)
		}
		return err
	})
	return t, err
}

func tokenOf(t *api.ACLToken) Token {
	out := Token{Accessor: t.AccessorID, Secret: t.SecretID, Description: t.Description}
	for _, p := range t.Policies {
		out.Policies = append(out.Policies, p.Name)
	}
	return out
}
