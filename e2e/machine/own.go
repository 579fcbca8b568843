package machine

import (
	"context"
	"fmt"
	"strings"
)

// Sysctl sets one of the node's net.* settings from the host, as a boot of the
// node would: in a container nobody but the host may. Others belong to the host's
// kernel as a whole and are refused.
func (n *Node) Sysctl(ctx context.Context, name, value string) error {
	if !strings.HasPrefix(name, "net.") {
		return fmt.Errorf("%s belongs to the host and not to %s: only net.* can be set", name, n.Name)
	}
	return n.ownNetwork(ctx, "sysctl", "-q", "-w", name+"="+value)
}

// Nft runs nft with these rules on the node's own network, for a firewall of the
// node itself. They end with its power.
func (n *Node) Nft(ctx context.Context, rules string) error {
	return n.ownNetwork(ctx, "nft", rules)
}

// ownNetwork runs a command of the host on the node's network, and on nothing else
// of it.
func (n *Node) ownNetwork(ctx context.Context, argv ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.leader(); err != nil { // its network ends with its power
		return err
	}
	return must(ctx, n.lab.ID, nil, append([]string{"nsenter", "--net=" + n.network()}, argv...)...)
}
