package elect

import (
	"fmt"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// verdict is what the sentinel states of a group say together: the master that
// the highest configuration epoch names. Sentinel raises that epoch with each
// failover that a majority authorised, so the highest one is the newest truth.
type verdict struct {
	master fleet.Addr
	epoch  uint64
	// node is the master's node; empty when no candidate has that address.
	node string
	// vouching are the candidates whose state names this master.
	vouching []Candidate
	// states is how many candidates hold a sentinel state at all.
	states int
}

// newestState reads the states of the group's own nodes. Where the highest epoch
// names two masters equally often there is no verdict.
func newestState(g fleet.GroupSpec, all []Candidate) verdict {
	members := Nodes(g)
	holders := keep(all, func(c Candidate) bool { return c.State != nil && slices.Contains(members, c.Node) })
	var epoch uint64
	for _, c := range holders {
		epoch = max(epoch, c.State.Epoch)
	}
	votes := map[string]int{}
	var best string
	for _, c := range holders {
		if c.State.Epoch == epoch {
			votes[meant(all, c.State.Master)]++
		}
	}
	for key, n := range votes {
		if n > votes[best] {
			best = key
		}
	}
	for key, n := range votes {
		if key != best && n == votes[best] {
			return verdict{states: len(holders)}
		}
	}
	return verdictFor(all, holders, best, epoch)
}

func verdictFor(all, holders []Candidate, key string, epoch uint64) verdict {
	v := verdict{epoch: epoch, states: len(holders)}
	for _, c := range holders {
		if meant(all, c.State.Master) != key {
			continue
		}
		v.vouching = append(v.vouching, c)
		v.master = c.State.Master
	}
	for _, c := range all {
		if c.is(v.master) {
			v.node = c.Node
		}
	}
	return v
}

// meant brings the addresses of one node together, so that a host name and an
// address do not count as two masters.
func meant(all []Candidate, addr fleet.Addr) string {
	for _, c := range all {
		if c.is(addr) {
			return "node " + c.Node
		}
	}
	return addr.String()
}

func (v verdict) names(c Candidate) bool { return v.node != "" && v.node == c.Node }

// majority: more than half of the nodes that hold a sentinel state name this
// master.
func (v verdict) majority() bool { return 2*len(v.vouching) > v.states }

// String is the subject of a sentence.
func (v verdict) String() string {
	return fmt.Sprintf("the newest sentinel state (epoch %d, on %s)", v.epoch, nodeList(v.vouching))
}
