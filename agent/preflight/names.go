package preflight

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// nameFact is one name that the fleet announces.
type nameFact struct {
	node, name string
	// want is the node's address.
	want  string
	found []string
	took  time.Duration
	err   error
}

// slowName is what a name may take: Sentinel resolves in its only thread, and
// slow names are linked to TILT (hazard S11).
const slowName = 500 * time.Millisecond

func gatherNames(ctx context.Context, in *Input) ([]nameFact, error) {
	facts := in.announced()
	resolver := in.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	var wait sync.WaitGroup
	for i := range facts {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout/2)
			defer cancel()
			f := &facts[i]
			began := time.Now()
			f.found, f.err = resolver.LookupHost(ctx, f.name)
			f.took = time.Since(began)
		})
	}
	wait.Wait()
	return facts, nil
}

// announced are the names of this node and of the nodes beside, where their
// groups announce names.
func (in *Input) announced() []nameFact {
	if !in.Plan.Names || in.Config.AnnounceHostname == "" {
		return nil
	}
	facts := []nameFact{{node: in.Config.Node, name: in.Config.AnnounceHostname, want: in.Config.Address}}
	if in.World == nil {
		return facts
	}
	for _, node := range in.peerNodes() {
		if r := in.World.Reports[node].Report; r.Hostname != "" {
			facts = append(facts, nameFact{node: node, name: r.Hostname, want: r.Address})
		}
	}
	return facts
}

func judgeNames(in *Input, facts []nameFact) Finding {
	switch {
	case !in.Plan.Names:
		return none("the groups of this node announce addresses, so no name has to be resolved")
	case len(facts) == 0:
		return fail("set announce_hostname in agent.toml", "a group of this node announces host names, and %s has none", in.Config.Node)
	}
	var bad, slow, good []string
	for _, f := range facts {
		switch {
		case f.err != nil:
			bad = append(bad, fmt.Sprintf("%s (of %s): %v", f.name, f.node, f.err))
		case !onlyAddress(f.found, f.want):
			bad = append(bad, fmt.Sprintf("%s is %s here, and %s is at %s", f.name, strings.Join(f.found, " and "), f.node, f.want))
		case f.took > slowName:
			slow = append(slow, fmt.Sprintf("%s took %v", f.name, f.took.Round(time.Millisecond)))
		default:
			good = append(good, f.name+" is "+f.want)
		}
	}
	switch {
	case len(bad) > 0:
		return fail("put the names with their addresses into DNS, or into /etc/hosts of every node (Debian's line with 127.0.1.1 has to go)",
			"%s", strings.Join(bad, "; "))
	case len(slow) > 0:
		return warn("put the names into /etc/hosts, or a caching resolver onto each node", "%s", strings.Join(slow, ", "))
	}
	return ok("%s", strings.Join(good, ", "))
}

// onlyAddress: each address that the name has is the wanted one, however it is
// written.
func onlyAddress(found []string, want string) bool {
	wanted, err := netip.ParseAddr(want)
	set := map[netip.Addr]bool{}
	for _, f := range found {
		if a, err := netip.ParseAddr(f); err == nil {
			set[a.Unmap()] = true
		}
	}
	return err == nil && slices.Equal(slices.Collect(maps.Keys(set)), []netip.Addr{wanted.Unmap()})
}
