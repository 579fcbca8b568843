package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// cuts are the faults in the lab's network: nodes cut off altogether, and pairs
// from, to between which nothing goes in that direction, as hardware addresses: a
// disturbed line hides the device.
type cuts struct {
	nodes  map[string]bool
	oneWay map[[2]string]bool
}

// rules are the nftables rules that make just these cuts, whatever was before.
// Packets are dropped without an answer, as by a broken cable or a dead switch:
// both ends keep their link and notice only that nothing comes.
func (c cuts) rules() string {
	var b strings.Builder
	b.WriteString("table bridge faults\ndelete table bridge faults\ntable bridge faults {\n")
	chain := func(hook, rule string) {
		fmt.Fprintf(&b, "  chain %s {\n    type filter hook %s priority 0;\n%s  }\n", hook, hook, rule)
	}
	var in, out, pass strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		fmt.Fprintf(&in, "    iifname %q drop\n", name)
		fmt.Fprintf(&out, "    oifname %q drop\n", name)
	}
	for _, pair := range slices.SortedFunc(maps.Keys(c.oneWay), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		// ARP goes through: else the open direction closes too, as soon as the other
		// end has forgotten the hardware address.
		fmt.Fprintf(&pass, "    ether type != arp ether saddr %s ether daddr %s drop\n", pair[0], pair[1])
	}
	chain("prerouting", in.String())
	chain("forward", pass.String())
	chain("postrouting", out.String())
	b.WriteString("}\n")
	return b.String()
}

// Cut silently drops every packet from and to the node, until Heal. The link stays
// up: nobody is told.
func (n *Node) Cut(ctx context.Context) error {
	return n.lab.changeCuts(ctx, "cutting off "+n.Name, func(c *cuts) { c.nodes[n.Name] = true })
}

// CutOneWay silently drops what from sends to to, until one of them is healed;
// what to sends to from arrives.
func (l *Lab) CutOneWay(ctx context.Context, from, to *Node) error {
	if from == to {
		return errors.New("a one-way cut needs two different nodes")
	}
	return l.changeCuts(ctx, fmt.Sprintf("cutting %s → %s", from.Name, to.Name), func(c *cuts) {
		c.oneWay[[2]string{from.hardwareAddress(), to.hardwareAddress()}] = true
	})
}

// Heal ends every cut that the node is part of, and the disturbance of its line.
func (n *Node) Heal(ctx context.Context) error {
	err := n.lab.changeCuts(ctx, "healing "+n.Name, func(c *cuts) { c.heal(n.Name, n.hardwareAddress()) })
	return errors.Join(err, n.Disturb(ctx, Line{}))
}

func (c *cuts) heal(name, hardwareAddress string) {
	delete(c.nodes, name)
	maps.DeleteFunc(c.oneWay, func(pair [2]string, _ bool) bool { return slices.Contains(pair[:], hardwareAddress) })
}

// changeCuts puts the changed cuts in force, all at once, and keeps them only
// where that worked.
func (l *Lab) changeCuts(ctx context.Context, what string, change func(*cuts)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := cuts{nodes: map[string]bool{}, oneWay: map[[2]string]bool{}}
	maps.Copy(next.nodes, l.cuts.nodes)
	maps.Copy(next.oneWay, l.cuts.oneWay)
	change(&next)
	err := must(ctx, l.ID, strings.NewReader(next.rules()), "nsenter", "--net="+l.network(), "nft", "-f", "-")
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.cuts = next
	return nil
}
