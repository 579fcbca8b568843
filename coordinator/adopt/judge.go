package adopt

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// judgeSentinels: they watch one master, agree on it and on how, and know each other.
func (s *search) judgeSentinels() {
	first := s.sentinels[0]
	var addrs []fleet.Addr
	for _, w := range s.sentinels {
		addrs = append(addrs, w.placed.Addr)
		if n := len(w.Sentinel.Masters); n > 1 {
			s.refuse("the sentinel on %s watches %d masters; redfleet's sentinels belong to one group each: SENTINEL REMOVE the others, or run sentinels of their own for them", w.node, n)
		}
		if w.ForeignMaster.Addr != first.ForeignMaster.Addr {
			s.refuse("the sentinel on %s names %s as the master, that on %s %s; wait until they agree", w.node, w.ForeignMaster.Addr, first.node, first.ForeignMaster.Addr)
		}
		if strings.Contains(w.Flags, "down") || strings.Contains(w.Flags, "failover") {
			s.refuse("the sentinel on %s says %q of the master; adopt a group that is whole", w.node, w.Flags)
		}
		if a, b := settingsOf(first), settingsOf(w); a != b {
			s.refuse("the sentinels' settings differ: on %s %s, on %s %s; make them the same with SENTINEL SET %s", first.node, a, w.node, b, s.ask.MasterName)
		}
	}
	s.judgePeers(addrs)
	s.onePort("sentinels", addrs)
	switch n := len(s.sentinels); {
	case n < 3:
		s.warn("%d sentinels: the loss of one leaves no majority, and then nothing fails over; use 3, 5 or 7", n)
	case n%2 == 0:
		s.warn("%d sentinels survive no more losses than %d would; use 3, 5 or 7", n, n-1)
	}
}

// judgePeers: each sentinel lists exactly the others.
func (s *search) judgePeers(addrs []fleet.Addr) {
	for _, w := range s.sentinels {
		for _, p := range w.Peers {
			if !slices.Contains(addrs, p) {
				s.refuse("the sentinel on %s lists a peer at %s, and no agent reports one there: join that machine, give its agent that address, or have it forgotten", w.node, p)
			}
		}
		for _, a := range addrs {
			if a != w.placed.Addr && !slices.Contains(w.Peers, a) {
				s.refuse("the sentinel on %s does not know the one at %s", w.node, a)
			}
		}
	}
}

// settingsOf words how a sentinel watches.
func settingsOf(w watcher) string {
	return strings.Join([]string{
		"quorum " + strconv.Itoa(w.Quorum), "down-after " + w.DownAfter.String(),
		"failover-timeout " + w.FailoverTimeout.String(), "parallel-syncs " + strconv.Itoa(w.ParallelSyncs),
	}, ", ")
}

func (s *search) onePort(what string, addrs []fleet.Addr) {
	ports := map[string]bool{}
	for _, a := range addrs {
		ports[strconv.Itoa(a.Port)] = true
	}
	if len(ports) > 1 {
		s.refuse("the %s listen on different ports (%s); a group's listen on one", what, strings.Join(sortedKeys(ports), ", "))
	}
}

// judgeServers: one master, the one that the sentinels name, whole replicas, one
// lineage, one engine.
func (s *search) judgeServers() {
	master := s.sentinels[0].ForeignMaster.Addr
	var addrs []fleet.Addr
	versions, lineages := map[string]bool{}, map[string]bool{}
	for _, p := range s.servers {
		addrs = append(addrs, p.Addr)
		if p.Redis == nil {
			continue // refused with the reason already
		}
		versions[p.Engine+" "+p.Version], lineages[p.Redis.ReplID] = true, true
		r := p.Redis
		switch {
		case p.Addr == master && r.Role != fleet.RoleMaster:
			s.refuse("the sentinels name %s as the master, and the server there says that it is a %s", master, r.Role)
		case p.Addr != master && r.Role == fleet.RoleMaster:
			s.refuse("%s on %s says that it is a master beside %s: which of them has the data is to be settled first", p.Unit, p.node, master)
		case r.Role == fleet.RoleReplica && r.Master != master:
			s.refuse("%s on %s follows %s, not the master %s", p.Unit, p.node, r.Master, master)
		case r.Role == fleet.RoleReplica && !r.LinkUp:
			s.refuse("the link of %s on %s to its master is down; adopt a group that is whole", p.Unit, p.node)
		}
	}
	if len(lineages) > 1 {
		s.refuse("the servers hold different replication histories (%s)", strings.Join(sortedKeys(lineages), ", "))
	}
	if len(versions) > 1 {
		s.warn("the servers have different versions (%s): what a newer one writes an older one may not read", strings.Join(sortedKeys(versions), ", "))
	}
	if len(s.servers) < 2 {
		s.warn("the group has no replica, so nothing can fail over")
	}
	s.onePort("servers", addrs)
}

// judgePasswords: one for everything but for sentinels that ask for none.
func (s *search) judgePasswords() {
	want := s.ask.Password
	for _, p := range s.servers {
		if p.Redis == nil {
			continue
		}
		if want == "" {
			want = p.Password
		}
		switch {
		case p.Password == "":
			s.refuse("%s on %s asks for no password; set requirepass and masterauth on every server first (CONFIG SET, CONFIG REWRITE)", p.Unit, p.node)
		case p.Password != want && s.ask.Password != "":
			s.refuse("the password of %s on %s is not the one that was given", p.Unit, p.node)
		case p.Password != want:
			s.refuse("the password of %s on %s is not that of the other servers; make it one (CONFIG SET requirepass and masterauth, CONFIG REWRITE)", p.Unit, p.node)
		case p.Redis.MasterAuth != p.Password:
			s.refuse("masterauth of %s on %s is not the password of the group, so it could not follow another master: CONFIG SET masterauth, CONFIG REWRITE", p.Unit, p.node)
		}
	}
	open := s.sentinels[0].Password == ""
	for _, w := range s.sentinels {
		switch {
		case (w.Password == "") != open:
			s.refuse("some sentinels ask for a password and some do not; make them the same")
		case !open && w.Password != want:
			s.refuse("the sentinel on %s asks for another password than the servers; redfleet keeps one for both", w.node)
		}
		if w.AuthPass != want {
			s.refuse("the sentinel on %s has another auth-pass for %s in its file than the servers ask for: SENTINEL SET %s auth-pass …", w.node, s.ask.MasterName, s.ask.MasterName)
		}
	}
	if open {
		s.warn("the sentinels ask for no password, and stay so: whoever reaches them can tell them to fail over")
	}
}

// spec is what the operator gets to keep.
func (s *search) spec(w fleet.World) {
	first := s.sentinels[0]
	g := fleet.GroupSpec{
		Name: s.ask.Group, Topology: fleet.Sentinel, Engine: fleet.EngineRedis,
		Sentinel: fleet.SentinelSpec{
			Port: first.placed.Addr.Port, MasterName: s.ask.MasterName, Quorum: first.Quorum, DownAfter: first.DownAfter,
			FailoverTimeout: first.FailoverTimeout, ParallelSyncs: first.ParallelSyncs, Announce: fleet.AnnounceAddress,
			Open: first.Password == "",
		},
	}
	for _, p := range s.servers {
		g.Nodes, g.Port, g.Engine = append(g.Nodes, p.node), p.Addr.Port, p.Engine
	}
	for _, p := range s.sentinels {
		g.Sentinel.Nodes = append(g.Sentinel.Nodes, p.node)
	}
	slices.Sort(g.Nodes)
	slices.Sort(g.Sentinel.Nodes)
	if twice(g.Nodes) || twice(g.Sentinel.Nodes) {
		s.refuse("two servers, or two sentinels, of the group run on one machine; redfleet runs one of each on a machine")
	}
	g.Config = s.config()
	s.out.Spec = g
	s.validate(w)
}

// validate has the spec judged as `redfleet apply` would.
func (s *search) validate(w fleet.World) {
	spec := fleet.Spec{Fleet: fleet.FleetSpec{Name: s.ask.Fleet}}
	if w.Spec != nil {
		spec.Groups = slices.Clone(w.Spec.Spec.Groups)
	}
	spec.Groups = append(slices.DeleteFunc(spec.Groups, func(g fleet.GroupSpec) bool { return g.Name == s.out.Spec.Name }), s.out.Spec)
	_, errs := spec.Validate()
	for _, e := range errs {
		s.refuse("as a spec of redfleet: %s", e)
	}
}

// config is what all servers have in common. A setting that differs is left out, so
// that each keeps its own; but whether there is persistence must be one.
func (s *search) config() fleet.Directives {
	out := fleet.Directives{}
	var names []string
	for _, p := range s.servers {
		if p.Redis != nil {
			names = slices.AppendSeq(names, maps.Keys(p.Redis.Config))
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		var values []string
		same := true
		for i, p := range s.servers {
			if p.Redis == nil {
				continue
			}
			if i == 0 {
				values = p.Redis.Config[name]
			}
			same = same && slices.Equal(values, p.Redis.Config[name])
		}
		switch {
		case same:
			out[name] = values
		case name == "appendonly":
			s.refuse("appendonly differs between the servers; make it the same with CONFIG SET and CONFIG REWRITE")
		default:
			s.warn("%s differs between the servers: each keeps its own, and the spec says nothing of it", name)
		}
	}
	return out
}

func twice(sorted []string) bool { return len(slices.Compact(slices.Clone(sorted))) != len(sorted) }
