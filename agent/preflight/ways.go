package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// wayVerdict sorts the ways to other nodes by what they mean.
type wayVerdict struct {
	// bad are what keeps a group from working, gone nodes that are most likely
	// off, do the advice for the bad ones.
	bad, gone []string
	do        string
	counts    map[answer]int
}

func newWayVerdict(in *Input, ways []wayFact) wayVerdict {
	v := wayVerdict{counts: map[answer]int{}}
	byNode := map[string][]wayFact{}
	for _, w := range ways {
		v.counts[w.answer]++
		byNode[w.node] = append(byNode[w.node], w)
	}
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		v.node(in, node, byNode[node])
	}
	return v
}

// node judges one node. Silence of some of its ports, while others answer, can
// only be a firewall. Silence of all of them is one too where the node's agent
// lives; where that is gone, the machine may be off.
func (v *wayVerdict) node(in *Input, node string, ways []wayFact) {
	var quiet, closed []string
	for _, w := range ways {
		port := strconv.Itoa(w.port)
		switch w.answer {
		case silent:
			quiet = append(quiet, port)
		case refused:
			closed = append(closed, port)
		case stranger:
			v.fault("see why two machines have one address, or which name is wrong: redfleet preflight on both",
				"%s (for %s) is answered by %s", w.at, node, w.said)
		case failed:
			v.fault("see the error", "%s: %s", node, w.said)
		}
	}
	if len(quiet) > 0 {
		v.silence(in, node, quiet, len(quiet) == len(ways))
	}
	if len(closed) > 0 && in.Listen > 0 {
		v.fault("run redfleet preflight --listen on all nodes at the same time; where it does run there, a firewall refuses these ports",
			"%s refuses TCP %s, and no preflight greeted there within %v", node, strings.Join(closed, ", "), in.Listen)
	}
}

func (v *wayVerdict) silence(in *Input, node string, ports []string, all bool) {
	text := fmt.Sprintf("%s (%s) gives no answer on TCP %s within %v", node, in.hostOf(node), strings.Join(ports, ", "), dialTimeout)
	open := fmt.Sprintf("open these ports between the nodes, in both directions (nft list ruleset shows the rules of %s)", node)
	switch {
	case !all:
		v.fault(open, "%s, and on others it does: a firewall drops the packets", text)
	case in.reported(node) == present:
		v.fault(open, "%s, and its agent reports to Consul: a firewall or the network drops the packets", text)
	case in.reported(node) == gone:
		v.gone = append(v.gone, text+", and its agent is gone too")
	default:
		v.fault(open+"; or start the machine, where it is off", "%s: a firewall drops the packets, or the machine is off", text)
	}
}

func (v *wayVerdict) fault(do, format string, args ...any) {
	v.bad, v.do = append(v.bad, fmt.Sprintf(format, args...)), do
}

// sum tells what the ports answered, and what that proves.
func (v wayVerdict) sum() string {
	var parts []string
	for _, p := range []struct {
		answer         answer
		one, more, all string
	}{
		{greeted, "1 port greeted back", "%d ports greeted back", ": the way is open"},
		{answered, "1 port answers", "%d ports answer", ""},
		{refused, "1 port refuses", "%d ports refuse",
			", since nothing listens yet: nothing drops packets on the way (a firewall that refuses looks the same: --listen tells)"},
	} {
		switch n := v.counts[p.answer]; n {
		case 0:
		case 1:
			parts = append(parts, p.one+p.all)
		default:
			parts = append(parts, fmt.Sprintf(p.more, n)+p.all)
		}
	}
	if len(parts) == 0 {
		return "nobody could be asked"
	}
	return strings.Join(parts, "; ")
}

// presence is what Consul knows about a node's agent.
type presence int

const (
	unheard presence = iota
	present
	gone
)

func (in *Input) reported(node string) presence {
	if in.World == nil {
		return unheard
	}
	r, found := in.World.Reports[node]
	switch {
	case !found:
		return unheard
	case r.Alive:
		return present
	}
	return gone
}

func (in *Input) hostOf(node string) string {
	for _, p := range in.Plan.Peers {
		if p.Node == node && p.Host != "" {
			return p.Host
		}
	}
	return "address not known"
}
