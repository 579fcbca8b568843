package adopt

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(n string, port int) fleet.Addr { return fleet.Addr{Host: "192.0.2." + n, Port: port} }

// byHand is a group of three as an article builds it, as its agents report it.
func byHand() fleet.World { return group("1", "2", "3") }

// group is such a group on these machines, with a server and a sentinel on each.
func group(on ...string) fleet.World {
	w := fleet.World{Reports: map[string]fleet.ReportRecord{}}
	for _, n := range on {
		r := fleet.Foreign{Unit: "redis-server.service", Kind: fleet.KindRedis, Addr: addr(n, 6379), Engine: "redis", Version: "7.0.15",
			Conf: "/etc/redis/redis.conf", Dir: "/var/lib/redis", Password: "digest",
			Redis: &fleet.ForeignRedis{Role: fleet.RoleReplica, Master: addr("1", 6379), LinkUp: true, ReplID: "a", MasterAuth: "digest",
				Config: fleet.Directives{"appendonly": {"no"}, "maxmemory": {"1gb"}}}}
		if n == "1" {
			r.Redis.Role, r.Redis.Master, r.Redis.LinkUp = fleet.RoleMaster, fleet.Addr{}, false
		}
		m := fleet.ForeignMaster{Name: "mymaster", Addr: addr("1", 6379), Quorum: fleet.Majority(len(on)), DownAfter: fleet.Duration(5 * time.Second),
			FailoverTimeout: fleet.Duration(time.Minute), ParallelSyncs: 1, AuthPass: "digest", Flags: "master",
		}
		for _, peer := range on {
			if peer != "1" {
				m.Replicas = append(m.Replicas, addr(peer, 6379))
			}
			if peer != n {
				m.Peers = append(m.Peers, addr(peer, 26379))
			}
		}
		s := fleet.Foreign{Unit: "redis-sentinel.service", Kind: fleet.KindSentinel, Addr: addr(n, 26379), Engine: "redis", Version: "7.0.15",
			Conf: "/etc/redis/sentinel.conf", Dir: "/var/lib/redis",
			Sentinel: &fleet.ForeignSentinel{MyID: strings.Repeat(n, 40), Masters: []fleet.ForeignMaster{m}}}
		w.Reports["n"+n] = fleet.ReportRecord{Alive: true, Report: fleet.Report{Node: "n" + n, Address: addr(n, 0).Host, Foreign: []fleet.Foreign{r, s}}}
	}
	return w
}

// with changes one machine's report: its server and its sentinel.
func with(node string, edit func(rec *fleet.ReportRecord, server, sentinel *fleet.Foreign)) fleet.World {
	w := byHand()
	rec := w.Reports[node]
	edit(&rec, &rec.Report.Foreign[0], &rec.Report.Foreign[1])
	w.Reports[node] = rec
	return w
}

var ask = Ask{Fleet: "shop", Group: "sessions"}

// TestFind: a group that is whole becomes a spec with all that it has.
func TestFind(t *testing.T) {
	f := Find(byHand(), ask)
	if len(f.Refused) > 0 || len(f.Instances) != 6 || len(f.Adoption.Instances) != 6 || f.MasterName != "mymaster" {
		t.Fatalf("found %+v", f)
	}
	want := fleet.GroupSpec{Name: "sessions", Topology: fleet.Sentinel, Engine: "redis", Nodes: []string{"n1", "n2", "n3"}, Port: 6379,
		Sentinel: fleet.SentinelSpec{Nodes: []string{"n1", "n2", "n3"}, Port: 26379, MasterName: "mymaster", Quorum: 2,
			DownAfter: fleet.Duration(5 * time.Second), FailoverTimeout: fleet.Duration(time.Minute), ParallelSyncs: 1,
			Announce: fleet.AnnounceAddress, Open: true},
		Config: fleet.Directives{"appendonly": {"no"}, "maxmemory": {"1gb"}}}
	if d := cmp.Diff(want, f.Spec); d != "" {
		t.Errorf("spec (-want +got):\n%s", d)
	}
	if was := f.Adoption.Instance("n2", fleet.KindSentinel); was == nil || was.MyID != strings.Repeat("2", 40) || was.From.Unit != "redis-sentinel.service" {
		t.Errorf("the sentinel of n2 is marked as %+v", was)
	}
}

// TestRefused: what is not one whole group with one password is refused with the
// reason, and what an operator should know is said.
func TestRefused(t *testing.T) {
	type edit = func(rec *fleet.ReportRecord, server, sentinel *fleet.Foreign)
	for name, tc := range map[string]struct {
		node string
		edit edit
		ask  Ask
		want string
	}{
		"another password":      {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Password, r.Redis.MasterAuth = "other", "other" }, want: "is not that of the other servers"},
		"not the operator's":    {ask: Ask{Password: "other"}, want: "is not the one that was given"},
		"no password":           {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Password = "" }, want: "asks for no password"},
		"no masterauth":         {node: "n1", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Redis.MasterAuth = "" }, want: "masterauth of redis-server.service on n1"},
		"another auth-pass":     {node: "n3", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Sentinel.Masters[0].AuthPass = "old" }, want: "another auth-pass"},
		"sentinel with another": {node: "n1", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Password = "third" }, want: "some sentinels ask for a password"},
		"two masters watched": {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) {
			s.Sentinel.Masters = append(s.Sentinel.Masters, fleet.ForeignMaster{Name: "other"})
		}, ask: Ask{MasterName: "mymaster"}, want: "watches 2 masters"},
		"which master": {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) {
			s.Sentinel.Masters = append(s.Sentinel.Masters, fleet.ForeignMaster{Name: "other"})
		}, want: "--master-name"},
		"no such master":          {ask: Ask{MasterName: "nobody"}, want: "they watch: mymaster"},
		"a machine without agent": {node: "n3", edit: func(rec *fleet.ReportRecord, _, _ *fleet.Foreign) { rec.Report.Foreign = nil }, want: "no agent reports one there"},
		"an agent that is gone":   {node: "n3", edit: func(rec *fleet.ReportRecord, _, _ *fleet.Foreign) { rec.Alive = false }, want: "the agent on n3 is gone"},
		"a directive of its own":  {node: "n3", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Refused = []string{"aclfile is set"} }, want: "redis-server.service on n3: aclfile is set"},
		"two masters":             {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Redis.Role = fleet.RoleMaster }, want: "says that it is a master beside"},
		"the wrong master":        {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Redis.Master = addr("3", 6379) }, want: "follows 192.0.2.3:6379"},
		"a link that is down":     {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Redis.LinkUp = false }, want: "link of redis-server.service on n2"},
		"another history":         {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Redis.ReplID = "b" }, want: "different replication histories"},
		"sentinels that differ":   {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Sentinel.Masters[0].Quorum = 1 }, want: "settings differ"},
		"sentinels that disagree": {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Sentinel.Masters[0].Addr = addr("2", 6379) }, want: "wait until they agree"},
		"a master that is down":   {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Sentinel.Masters[0].Flags = "s_down,master" }, want: "adopt a group that is whole"},
		"a peer that is unknown": {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) {
			s.Sentinel.Masters[0].Peers = []fleet.Addr{addr("1", 26379)}
		}, want: "does not know the one at"},
		"a ghost": {node: "n2", edit: func(_ *fleet.ReportRecord, _, s *fleet.Foreign) {
			s.Sentinel.Masters[0].Peers = append(s.Sentinel.Masters[0].Peers, addr("9", 26379))
		}, want: "lists a peer at 192.0.2.9:26379"},
		"persistence that differs": {node: "n2", edit: func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) {
			r.Redis.Config = fleet.Directives{"appendonly": {"yes"}}
		}, want: "appendonly differs"},
		"a name that cannot be one": {ask: Ask{Group: "Shop!"}, want: "cannot be the name of a group"},
	} {
		t.Run(name, func(t *testing.T) {
			w := byHand()
			if tc.edit != nil {
				w = with(tc.node, tc.edit)
			}
			a := ask
			if tc.ask.Group != "" {
				a.Group = tc.ask.Group
			}
			a.MasterName, a.Password = tc.ask.MasterName, tc.ask.Password
			f := Find(w, a)
			if !slices.ContainsFunc(f.Refused, func(r string) bool { return strings.Contains(r, tc.want) }) {
				t.Errorf("want a refusal with %q, got %q", tc.want, f.Refused)
			}
		})
	}
	w := byHand()
	w.Groups = map[string]fleet.Group{"sessions": {}}
	if f := Find(w, ask); len(f.Refused) == 0 || !strings.Contains(f.Refused[0], "already") {
		t.Errorf("a name that is taken: %q", f.Refused)
	}
}

// TestWarned: what is not as it should be and is no danger.
func TestWarned(t *testing.T) {
	f := Find(with("n2", func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) {
		r.Version, r.Redis.Config = "7.2.0", fleet.Directives{"appendonly": {"no"}, "maxmemory": {"2gb"}}
	}), ask)
	for _, want := range []string{"different versions", "maxmemory differs", "ask for no password"} {
		if !slices.ContainsFunc(f.Warnings, func(r string) bool { return strings.Contains(r, want) }) {
			t.Errorf("want a warning with %q, got %q", want, f.Warnings)
		}
	}
	if len(f.Refused) > 0 || f.Spec.Config["maxmemory"] != nil {
		t.Errorf("refused %q, config %v", f.Refused, f.Spec.Config)
	}
}

// TestWarnedOfNumbers: what so many servers and sentinels do not survive.
func TestWarnedOfNumbers(t *testing.T) {
	for name, tc := range map[string]struct {
		w    fleet.World
		want string
	}{
		"one server":     {group("1"), "the group has no replica"},
		"two sentinels":  {group("1", "2"), "2 sentinels: the loss of one"},
		"four sentinels": {group("1", "2", "3", "4"), "4 sentinels survive no more losses than 3"},
		"three":          {group("1", "2", "3"), ""},
	} {
		f := Find(tc.w, ask)
		numbers := slices.DeleteFunc(slices.Clone(f.Warnings), func(r string) bool {
			return !strings.Contains(r, "sentinels: ") && !strings.Contains(r, "survive") && !strings.Contains(r, "no replica") && !strings.Contains(r, "versions")
		})
		if tc.want == "" && len(numbers) > 0 || !strings.Contains(strings.Join(numbers, "\n"), tc.want) || len(f.Refused) > 0 {
			t.Errorf("%s: warned of %q, refused %q", name, numbers, f.Refused)
		}
		if name == "two sentinels" && slices.ContainsFunc(f.Warnings, func(r string) bool { return strings.Contains(r, "no replica") }) {
			t.Errorf("%s: a group with a replica is said to have none", name)
		}
	}
}

// TestTheFirstReasonIsTold: of one server's faults that which explains the others,
// and it alone.
func TestTheFirstReasonIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		edit     func(server *fleet.Foreign)
		password string
		want     string
	}{
		"it follows another, without a link": {func(r *fleet.Foreign) { r.Redis.Master, r.Redis.LinkUp = addr("3", 6379), false }, "",
			"redis-server.service on n2 follows 192.0.2.3:6379, not the master 192.0.2.1:6379"},
		"no password, and one was given": {func(r *fleet.Foreign) { r.Password = "" }, "digest",
			"redis-server.service on n2 asks for no password; set requirepass and masterauth on every server first (CONFIG SET, CONFIG REWRITE)"},
		"another password, and masterauth": {func(r *fleet.Foreign) { r.Password = "other" }, "",
			"the password of redis-server.service on n2 is not that of the other servers; make it one (CONFIG SET requirepass and masterauth, CONFIG REWRITE)"},
	} {
		a := ask
		a.Password = tc.password
		f := Find(with("n2", func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { tc.edit(r) }), a)
		if d := cmp.Diff([]string{tc.want}, f.Refused); d != "" {
			t.Errorf("%s: refused (-want +got):\n%s", name, d)
		}
	}
}

// TestPasswordsOfSentinels: none, or the servers'.
func TestPasswordsOfSentinels(t *testing.T) {
	for password, refused := range map[string]int{"": 0, "digest": 0, "third": 3} {
		w := byHand()
		for _, rec := range w.Reports {
			rec.Report.Foreign[1].Password = password
		}
		if f := Find(w, ask); len(f.Refused) != refused {
			t.Errorf("%q: refused %q", password, f.Refused)
		}
	}
}

// TestOrder: instances come by kind, then by machine and unit, so that what an
// operator is shown twice is the same.
func TestOrder(t *testing.T) {
	w := with("n1", func(rec *fleet.ReportRecord, r, s *fleet.Foreign) {
		r.Unit = "a-server.service"
		second := *s
		second.Unit, second.Addr = "another-sentinel.service", addr("1", 26380)
		rec.Report.Foreign = append(rec.Report.Foreign, second)
	})
	var got []string
	f := Find(w, ask)
	for _, i := range f.Instances {
		got = append(got, i.Node+" "+i.Unit)
	}
	want := []string{"n1 a-server.service", "n2 redis-server.service", "n3 redis-server.service",
		"n1 another-sentinel.service", "n1 redis-sentinel.service", "n2 redis-sentinel.service", "n3 redis-sentinel.service"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the instances (-want +got):\n%s", d)
	}
}

// TestBesideOtherGroups: the group is judged as a part of the spec that there is.
func TestBesideOtherGroups(t *testing.T) {
	for port, refused := range map[int]bool{6379: true, 7000: false} {
		w := byHand()
		w.Spec = &fleet.SpecRecord{Spec: fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"},
			Groups: []fleet.GroupSpec{{Name: "main", Topology: fleet.Replication, Nodes: []string{"n1"}, Port: port}}}}
		if f := Find(w, ask); (len(f.Refused) > 0) != refused {
			t.Errorf("beside a server on port %d: refused %q", port, f.Refused)
		}
	}
}

// TestStill: the coordinator makes a group only of what the operator was shown; a
// failover in between is no difference.
func TestStill(t *testing.T) {
	f := Find(byHand(), ask)
	spec := f.Spec
	if m, ok := Still(byHand(), spec, f.Adoption); !ok || m.Node != "n1" {
		t.Errorf("the same group: %+v, %v", m, ok)
	}
	w := byHand()
	for n, rec := range w.Reports {
		r, s := rec.Report.Foreign[0].Redis, rec.Report.Foreign[1].Sentinel
		s.Masters[0].Addr, s.Masters[0].Replicas = addr("2", 6379), []fleet.Addr{addr("1", 6379), addr("3", 6379)}
		r.Role, r.Master, r.LinkUp = fleet.RoleReplica, addr("2", 6379), true
		if n == "n2" {
			r.Role, r.Master = fleet.RoleMaster, fleet.Addr{}
		}
	}
	if m, ok := Still(w, spec, f.Adoption); !ok || m.Node != "n2" {
		t.Errorf("after a failover: %+v, %v", m, ok)
	}
	for name, edit := range map[string]func(rec *fleet.ReportRecord, server, sentinel *fleet.Foreign){
		"another unit": func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Unit = "redis-server@b.service" },
		"another id":   func(_ *fleet.ReportRecord, _, s *fleet.Foreign) { s.Sentinel.MyID = strings.Repeat("f", 40) },
		"refused now":  func(_ *fleet.ReportRecord, r, _ *fleet.Foreign) { r.Refused = []string{"x"} },
		"gone":         func(rec *fleet.ReportRecord, _, _ *fleet.Foreign) { rec.Alive = false },
	} {
		if _, ok := Still(with("n3", edit), spec, f.Adoption); ok {
			t.Errorf("%s: it counts as the same", name)
		}
	}
}

// TestRecord: the spec that is there stays, and is not changed in place.
func TestRecord(t *testing.T) {
	f := Find(byHand(), ask)
	old := &fleet.SpecRecord{Format: 1, Spec: fleet.Spec{Fleet: fleet.FleetSpec{Name: "shop"}, Groups: []fleet.GroupSpec{{Name: "main"}}},
		Passwords: map[string]string{"main": "x"}}
	rec := Record(old, "shop", f, "sealed")
	if len(rec.Spec.Groups) != 2 || rec.Passwords["sessions"] != "sealed" || rec.Passwords["main"] != "x" || len(rec.Adopt["sessions"].Instances) != 6 {
		t.Errorf("record %+v", rec)
	}
	if len(old.Spec.Groups) != 1 || len(old.Passwords) != 1 || old.Adopt != nil {
		t.Errorf("the old one was changed: %+v", old)
	}
	if first := Record(nil, "shop", f, "sealed"); first.Spec.Fleet.Name != "shop" || len(first.Spec.Groups) != 1 {
		t.Errorf("without a spec: %+v", first)
	}
}
