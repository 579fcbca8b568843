package request

import (
	"slices"
	"strings"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

// circle is a group's members as the goals name them, with what their nodes report.
type circle struct {
	rec       fleet.Group
	monitor   *fleet.Monitor
	servers   []seat
	sentinels []seat
}

// seat is one member.
type seat struct {
	fleet.Member
	// up: its agent lives and says that it runs.
	up   bool
	inst *fleet.InstanceReport
}

// circleOf gathers it; false until the goals of the last change are committed.
func circleOf(w fleet.World, name string) (circle, bool) {
	rec := w.Groups[name]
	goal := plan.Standing(w, rec)
	if goal == nil || rec.Members != nil && goal.Change != rec.Members.Change {
		return circle{}, false
	}
	c := circle{rec: rec, monitor: goal.Monitor}
	for _, m := range goal.Servers {
		s := seatOf(w, m, fleet.NewInstanceID(fleet.KindRedis, name, m.Addr.Port))
		s.up = s.up && s.inst.Redis != nil && !s.inst.Redis.Loading
		c.servers = append(c.servers, s)
	}
	for _, m := range goal.Sentinels {
		s := seatOf(w, m, fleet.NewInstanceID(fleet.KindSentinel, name, m.Addr.Port))
		s.up = s.up && s.inst.Sentinel != nil
		c.sentinels = append(c.sentinels, s)
	}
	return c, true
}

func seatOf(w fleet.World, m fleet.Member, id fleet.InstanceID) seat {
	r := w.Reports[m.Node]
	s := seat{Member: m, inst: r.Report.Instance(id)}
	s.up = r.Alive && s.inst != nil && s.inst.State == fleet.Running
	return s
}

// ghosts are the instances that a sentinel of the group knows and that are no
// members of it.
func ghosts(w fleet.World, g fleet.GroupSpec) []fleet.Addr {
	c, ok := circleOf(w, g.Name)
	if !ok {
		return nil
	}
	return c.ghosts()
}

func (c circle) ghosts() []fleet.Addr {
	var out []fleet.Addr
	for _, s := range c.sentinels {
		for _, seen := range c.foreign(s) {
			if !slices.Contains(out, seen.Addr) {
				out = append(out, seen.Addr)
			}
		}
	}
	return out
}

// voters is how many sentinels a failover of the group is agreed on among: its members,
// or where a sentinel knows more, as long as it has not forgotten who left, those. One
// that runs and that it has not heard of yet, it hears of within seconds.
func voters(w fleet.World, g fleet.GroupSpec) int {
	n := len(g.Sentinel.Nodes)
	c, _ := circleOf(w, g.Name)
	for _, s := range c.sentinels {
		if !s.up {
			continue
		}
		all := 1 + len(s.inst.Sentinel.Peers)
		for _, other := range c.sentinels {
			if other.up && other.Node != s.Node && !s.knows(other) {
				all++
			}
		}
		n = max(n, all)
	}
	return n
}

// onItsWayIn: the node's sentinel runs and reaches another one, and one of the others
// has not heard of it yet, or has not had its first answer.
func onItsWayIn(w fleet.World, g fleet.GroupSpec, node string) bool {
	c, _ := circleOf(w, g.Name)
	i := slices.IndexFunc(c.sentinels, func(s seat) bool { return s.Node == node && s.up })
	if i < 0 || !slices.ContainsFunc(c.sentinels[i].inst.Sentinel.Peers, wellSeen) {
		return false
	}
	return slices.ContainsFunc(c.sentinels, func(s seat) bool {
		if s.Node == node || !s.up {
			return false
		}
		e, known := entry(s.inst.Sentinel.Peers, c.sentinels[i].Addr)
		return !known || !down(e.Flags)
	})
}

// knows: the sentinel lists another one, by its own id.
func (s seat) knows(other seat) bool {
	e, ok := entry(s.inst.Sentinel.Peers, other.Addr)
	return ok && e.ID == other.ID
}

// foreign are the entries of a sentinel's lists that are no members: a peer by
// another id is one too, since it counts as a voter (hazard S4).
func (c circle) foreign(s seat) []fleet.SeenInstance {
	if !s.up {
		return nil
	}
	var out []fleet.SeenInstance
	for _, p := range s.inst.Sentinel.Peers {
		if m := find(c.sentinels, p.Addr); m == nil || m.ID != p.ID {
			out = append(out, p)
		}
	}
	for _, r := range s.inst.Sentinel.Replicas {
		if find(c.servers, r.Addr) == nil {
			out = append(out, r)
		}
	}
	return out
}

// countedOut: every sentinel that runs counts the instance as down, or does not know it.
func (c circle) countedOut(inst fleet.InstanceGoal) bool {
	asked := 0
	for _, s := range c.sentinels {
		if !s.up {
			continue
		}
		list := s.inst.Sentinel.Replicas
		if inst.Kind == fleet.KindSentinel {
			list = s.inst.Sentinel.Peers
		}
		if e, ok := entry(list, inst.Addr); ok && !down(e.Flags) {
			return false
		}
		asked++
	}
	return asked >= fleet.Majority(len(c.sentinels))
}

func find(list []seat, addr fleet.Addr) *seat {
	for i := range list {
		if list[i].Addr == addr {
			return &list[i]
		}
	}
	return nil
}

// entry finds an address in a sentinel's list.
func entry(list []fleet.SeenInstance, addr fleet.Addr) (fleet.SeenInstance, bool) {
	for _, e := range list {
		if e.Addr == addr {
			return e, true
		}
	}
	return fleet.SeenInstance{}, false
}

// down: the sentinel has counted it out.
func down(flags string) bool {
	words := strings.Split(flags, ",")
	return slices.Contains(words, "s_down") || slices.Contains(words, "o_down")
}

// wellSeen: the sentinel reaches it.
func wellSeen(e fleet.SeenInstance) bool {
	return e.Reached && !down(e.Flags) && !slices.Contains(strings.Split(e.Flags, ","), "disconnected")
}
