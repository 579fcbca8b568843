package fleet

import (
	"slices"
	"time"
)

// The defaults of a spec. The ports are those that Redis itself uses.
const (
	DefaultPort            = 6379
	DefaultSentinelPort    = 26379
	DefaultDownAfter       = Duration(5 * time.Second)
	DefaultFailoverTimeout = Duration(60 * time.Second)
	DefaultParallelSyncs   = 1
)

// WithDefaults fills in all that the operator left out. It leaves s as it is,
// invents nothing that Validate would have to judge (no node, no name), and
// doing it twice is doing it once.
func (s Spec) WithDefaults() Spec {
	s.Groups = slices.Clone(s.Groups)
	for i, g := range s.Groups {
		s.Groups[i] = g.withDefaults(s.Fleet.Name)
	}
	return s
}

func (g GroupSpec) withDefaults(fleet string) GroupSpec {
	setDefault(&g.Topology, Sentinel)
	setDefault(&g.Engine, EngineRedis)
	setDefault(&g.Port, DefaultPort)
	setDefault(&g.Service, fleet+"-"+g.Name)
	setDefault(&g.Durability, Fast)
	if len(g.durable()) > 0 {
		setDefault(&g.MaxLag, DefaultMaxLag)
	}
	if g.Password == (PasswordSpec{}) {
		g.Password.Generate = true
	}
	// A group without automatic failover has no sentinels: what the operator
	// wrote there stays as it is, for Validate to refuse.
	if g.Topology == Sentinel {
		setDefault(&g.OnCrash, OnCrashFailover)
		g.Sentinel = g.Sentinel.withDefaults(g)
	}
	return g
}

func (s SentinelSpec) withDefaults(g GroupSpec) SentinelSpec {
	if s.Nodes == nil { // an empty list is somebody's mistake, for Validate
		s.Nodes = sentinelNodes(g.Nodes)
	}
	setDefault(&s.Port, DefaultSentinelPort)
	setDefault(&s.MasterName, g.Name)
	setDefault(&s.Quorum, Majority(len(s.Nodes)))
	setDefault(&s.DownAfter, DefaultDownAfter)
	setDefault(&s.FailoverTimeout, DefaultFailoverTimeout)
	setDefault(&s.ParallelSyncs, DefaultParallelSyncs)
	setDefault(&s.Announce, AnnounceAddress)
	return s
}

// sentinelNodes picks where the sentinels run: the first 7, 5 or 3 nodes, the
// largest of these numbers that there is. With fewer nodes than three it is all
// of them, and Validate warns that they cannot survive a loss (hazard S17).
func sentinelNodes(nodes []string) []string {
	for _, n := range []int{7, 5, 3} {
		if len(nodes) >= n {
			return slices.Clone(nodes[:n])
		}
	}
	return slices.Clone(nodes)
}

// Majority is how many of n sentinels must authorise a failover: more than half.
func Majority(n int) int { return n/2 + 1 }

func setDefault[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}
