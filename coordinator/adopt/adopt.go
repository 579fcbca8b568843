// Package adopt judges whether a group that was built by hand can be taken over as
// it runs: from what the agents found under the distribution's units to the group's
// spec and the marks by which its instances are known. It is pure; what cannot be
// taken over is refused with what to do, and nothing is guessed.
package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Ask is what an operator wants to adopt.
type Ask struct {
	Fleet string
	// Group is the name that the group gets, MasterName that under which its
	// sentinels watch it; empty where they watch one only.
	Group, MasterName string
	// Password stands for the password that the operator gave; empty: none yet.
	Password string
}

// Finding is what was found, and what would be done.
type Finding struct {
	Group      string     `json:"group"`
	MasterName string     `json:"master_name"`
	Instances  []Instance `json:"instances"`
	// Refused says why the group cannot be adopted as it is, Warnings what an
	// operator should know.
	Refused  []string `json:"refused"`
	Warnings []string `json:"warnings"`
	// Spec is the group's spec, and Adoption its marks; both without a meaning
	// where something is refused.
	Spec     fleet.GroupSpec `json:"spec"`
	Adoption fleet.Adoption  `json:"-"`
}

// Instance is one of the group's instances as it runs now.
type Instance struct {
	Node    string     `json:"node"`
	Kind    fleet.Kind `json:"kind"`
	Role    fleet.Role `json:"role,omitempty"`
	Addr    fleet.Addr `json:"addr"`
	Unit    string     `json:"unit"`
	Conf    string     `json:"conf"`
	Dir     string     `json:"dir"`
	Engine  string     `json:"engine"`
	Version string     `json:"version"`
}

// placed is a foreign instance with its node.
type placed struct {
	fleet.Foreign
	node  string
	alive bool
}

// watcher is a sentinel with what it says of the group's master.
type watcher struct {
	placed
	fleet.ForeignMaster
}

type search struct {
	ask       Ask
	all       []placed
	servers   []placed
	sentinels []watcher
	out       Finding
}

// Find judges. w is the fleet as its records say.
func Find(w fleet.World, ask Ask) Finding {
	s := &search{ask: ask, all: foreigners(w), out: Finding{Group: ask.Group, Refused: []string{}, Warnings: []string{}, Instances: []Instance{}}}
	s.taken(w)
	if s.findSentinels(); len(s.sentinels) == 0 {
		return s.out
	}
	s.findServers()
	s.instances()
	s.judgeSentinels()
	s.judgeServers()
	s.judgePasswords()
	s.spec(w)
	return s.out
}

func (s *search) refuse(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.out.Refused, text) {
		s.out.Refused = append(s.out.Refused, text)
	}
}

func (s *search) warn(format string, args ...any) {
	s.out.Warnings = append(s.out.Warnings, fmt.Sprintf(format, args...))
}

// foreigners are all that the agents found, by node.
func foreigners(w fleet.World) (out []placed) {
	for _, rec := range w.Reports {
		for _, f := range rec.Report.Foreign {
			out = append(out, placed{f, rec.Report.Node, rec.Alive})
		}
	}
	slices.SortFunc(out, func(a, b placed) int { return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.Unit, b.Unit)) })
	return out
}

// taken: the group's name is free.
func (s *search) taken(w fleet.World) {
	_, made := w.Groups[s.ask.Group]
	wanted := false
	if w.Spec != nil {
		_, wanted = w.Spec.Spec.Group(s.ask.Group)
	}
	if made || wanted {
		s.refuse("the fleet has a group %q already; adopt it under another name", s.ask.Group)
	}
	if !fleet.ValidName(s.ask.Group) {
		s.refuse("%q cannot be the name of a group; names are lower-case letters, digits and hyphens", s.ask.Group)
	}
}

// findSentinels finds those that watch the master, and its name where it was not
// given.
func (s *search) findSentinels() {
	names := map[string]bool{}
	for _, p := range s.all {
		if p.Sentinel == nil {
			continue
		}
		for _, m := range p.Sentinel.Masters {
			names[m.Name] = true
		}
	}
	known := sortedKeys(names)
	if s.ask.MasterName == "" {
		switch len(known) {
		case 1:
			s.ask.MasterName = known[0]
		case 0:
			s.refuse("no agent reports a sentinel of the distribution's that runs and answers; redfleet must be installed and joined on every machine of the group")
			return
		default:
			s.refuse("the sentinels watch several masters (%s); say which one with --master-name", strings.Join(known, ", "))
			return
		}
	}
	s.out.MasterName = s.ask.MasterName
	for _, p := range s.all {
		if p.Sentinel == nil {
			continue
		}
		for _, m := range p.Sentinel.Masters {
			if m.Name == s.ask.MasterName {
				s.sentinels = append(s.sentinels, watcher{p, m})
			}
		}
	}
	if len(s.sentinels) == 0 {
		s.refuse("no sentinel watches a master %q; they watch: %s", s.ask.MasterName, cmp.Or(strings.Join(known, ", "), "none"))
	}
}

// findServers finds the master and the replicas that the sentinels list, each on a
// machine with an agent.
func (s *search) findServers() {
	var want []fleet.Addr
	for _, w := range s.sentinels {
		want = append(append(want, w.ForeignMaster.Addr), w.Replicas...)
	}
	for _, addr := range unique(want) {
		i := slices.IndexFunc(s.all, func(p placed) bool { return p.Kind == fleet.KindRedis && p.Addr == addr })
		if i < 0 {
			s.refuse("the sentinels list a server at %s, and no agent reports one there: join that machine, give its agent that address, "+
				"or have the sentinels forget a server that is gone (SENTINEL RESET %s, one sentinel after the other)", addr, s.ask.MasterName)
			continue
		}
		s.servers = append(s.servers, s.all[i])
	}
}

func (s *search) instances() {
	add := func(p placed) {
		i := Instance{Node: p.node, Kind: p.Kind, Addr: p.Addr, Unit: p.Unit, Conf: p.Conf, Dir: p.Dir, Engine: p.Engine, Version: p.Version}
		myid := ""
		if p.Redis != nil {
			i.Role = p.Redis.Role
		} else if p.Sentinel != nil {
			myid = p.Sentinel.MyID
		}
		s.out.Instances = append(s.out.Instances, i)
		s.out.Adoption.Instances = append(s.out.Adoption.Instances, fleet.AdoptedInstance{
			Node: p.node, Kind: p.Kind, Addr: p.Addr, MyID: myid, From: fleet.Origin{Unit: p.Unit, Conf: p.Conf, Dir: p.Dir}})
		for _, why := range p.Refused {
			s.refuse("%s on %s: %s", p.Unit, p.node, why)
		}
		if !p.alive {
			s.refuse("the agent on %s is gone, so nobody knows what runs there now: systemctl start redfleet-agent", p.node)
		}
	}
	for _, p := range s.servers {
		add(p)
	}
	for _, w := range s.sentinels {
		add(w.placed)
	}
}

func unique(list []fleet.Addr) []fleet.Addr {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b fleet.Addr) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
