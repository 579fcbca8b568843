package fleet

import (
	"strconv"
	"strings"
	"time"
)

// Durability is what a group promises about writes that it acknowledged
// (docs/guarantees.md). Each level includes the one before it, and each costs
// availability.
type Durability string

const (
	// Fast: the master answers alone. A crash loses what no replica had yet; a
	// master that is cut off takes writes until it is reached again, and all of
	// them are lost.
	Fast Durability = "fast"
	// Bounded: a master that no replica has answered stops to take writes at most
	// MaxLag and a second after it was cut off.
	Bounded Durability = "bounded"
	// Acknowledged: a write that a client has seen WAIT confirm on every replica
	// of the group survives the crash of the master, and the loss of power
	// everywhere.
	Acknowledged Durability = "acknowledged"
)

// Durabilities are all levels, the weakest first.
func Durabilities() []string {
	return []string{string(Fast), string(Bounded), string(Acknowledged)}
}

// The range of max_lag. Replicas answer once a second and the server counts whole
// seconds, so that a shorter one would refuse writes of a healthy group.
const (
	DefaultMaxLag = Duration(10 * time.Second)
	minMaxLag     = Duration(3 * time.Second)
	maxMaxLag     = Duration(time.Hour)
)

// lagMargin is taken from max_lag for the directive: a server counts the age of
// the last answer in whole seconds and judges it once a second, so that it takes
// writes for up to 2 s beyond min-replicas-max-lag (measured on Redis 7.0.15:
// 3.65 s at 2, docs/guarantees.md), and max_lag promises 1 s.
const lagMargin = Duration(time.Second)

// WithDurability adds to the group's config what its level needs. The spec may
// set none of these directives itself then (Validate), so nothing is overruled.
// The level "fast" adds nothing.
func (g GroupSpec) WithDurability() Directives {
	set := g.durable()
	if len(set) == 0 {
		return g.Config
	}
	out := make(Directives, len(g.Config)+len(set))
	for name, values := range g.Config {
		out[name] = values
	}
	for name, value := range set {
		out[name] = []string{value}
	}
	return out
}

// durable is what the level sets.
func (g GroupSpec) durable() map[string]string {
	if g.Durability != Bounded && g.Durability != Acknowledged {
		return nil
	}
	set := map[string]string{
		"min-replicas-to-write": "1",
		"min-replicas-max-lag":  strconv.Itoa(int((g.MaxLag - lagMargin).Std() / time.Second)),
	}
	if g.Durability == Acknowledged {
		// A replica answers WAIT after the write went to its own file; only with
		// "always" does it stand on the disk by then.
		set["appendonly"], set["appendfsync"], set["no-appendfsync-on-rewrite"] = "yes", "always", "no"
	}
	return set
}

// durability judges the level, its lag, and directives that speak against it.
func (v *validator) durability(path string, g GroupSpec) {
	v.oneOf(path+".durability", "durability", string(g.Durability), Durabilities())
	set := g.durable()
	switch {
	case len(set) == 0 && g.MaxLag != 0:
		v.errorf(path+".max_lag", "max_lag counts with durability = %q or %q alone; set one of them, or take max_lag out",
			Bounded, Acknowledged)
	case len(set) == 0:
		return
	case g.MaxLag < minMaxLag || g.MaxLag > maxMaxLag:
		v.errorf(path+".max_lag", "%s is out of range: replicas answer once a second, so use %s to %s (%s is usual)",
			g.MaxLag, minMaxLag, maxMaxLag, DefaultMaxLag)
	case g.MaxLag%Duration(time.Second) != 0:
		v.errorf(path+".max_lag", "%s is finer than the server counts; use whole seconds", g.MaxLag)
	}
	for _, name := range g.Config.Names() {
		canonical := strings.Replace(strings.ToLower(name), "min-slaves", "min-replicas", 1)
		if value, sets := set[canonical]; sets {
			v.errorf(path+".config."+name, "durability = %q sets %s to %s; take this line out, or set durability = %q",
				g.Durability, canonical, value, Fast)
		}
	}
	v.durableNodes(path+".durability", g)
}

// durableNodes says what a small group pays (hazard D4).
func (v *validator) durableNodes(path string, g GroupSpec) {
	const text = "durability = %q wants a write on one replica at least, and "
	switch len(g.Nodes) {
	case 0: // the group's own error
	case 1:
		v.errorf(path, text+"a group of one node has none: it would never take a write; add nodes, or set durability = %q",
			g.Durability, Fast)
	case 2:
		v.warnf(path, text+"a group of 2 nodes has one: the loss or the restart of either node stops all writes until it is back; use 3 nodes",
			g.Durability)
	}
}

// Persistent tells whether a server with these settings keeps its data in an
// append-only file, so that its folder says whether it has any. "appendonly" is
// on unless the spec turns it off.
func (d Directives) Persistent() bool {
	for _, name := range d.Names() {
		if strings.EqualFold(name, "appendonly") && len(d[name]) > 0 {
			return !strings.EqualFold(d[name][len(d[name])-1], "no")
		}
	}
	return true
}
