package consul

import (
	"context"
	"fmt"
	"net/netip"
)

// Self is what the asked Consul agent says of itself.
type Self struct {
	// Node is its name in Consul: sessions and services belong to it.
	Node string
	// Address is the one that it advertises to its peers.
	Address netip.Addr
}

// Self asks the Consul agent who it is. It needs the right `agent "<node>" read`.
func (c *Client) Self(ctx context.Context) (Self, error) {
	const what = "asking the Consul agent for its address"
	var answer struct {
		Config struct{ NodeName string }
		Member struct{ Addr string }
	}
	err := c.call(ctx, what, func(ctx context.Context) error {
		_, err := c.api.Raw().Query("/v1/agent/self", &answer, query(ctx))
		return err
	})
	if err != nil {
		return Self{}, err
	}
	addr, err := netip.ParseAddr(answer.Member.Addr)
	if err != nil {
		return Self{}, fmt.Errorf("%s: it advertises %q, which is no IP address", what, answer.Member.Addr)
	}
	return Self{Node: answer.Config.NodeName, Address: addr}, nil
}

// Nodes gives the names of Consul's nodes by their addresses. Nodes that the token
// may not see are left out.
func (c *Client) Nodes(ctx context.Context) (map[netip.Addr]string, error) {
	out := map[netip.Addr]string{}
	err := c.call(ctx, "listing Consul's nodes", func(ctx context.Context) error {
		nodes, _, err := c.api.Catalog().Nodes(query(ctx))
		for _, n := range nodes {
			if addr, err := netip.ParseAddr(n.Address); err == nil {
				out[addr] = n.Node
			}
		}
		return err
	})
	return out, err
}
