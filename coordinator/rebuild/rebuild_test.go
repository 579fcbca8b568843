package rebuild

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/plan"
	"github.com/redfleet/redfleet/internal/fleet"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func member(i int, port int, id string) fleet.Member {
	node := "n" + string(rune('0'+i))
	return fleet.Member{Node: node, Addr: fleet.Addr{Host: "10.0.0.1" + string(rune('0'+i)), Port: port}, ID: id}
}

// instances are those of one group on one node of three.
func instances(group, id string, node int, port int, seed *fleet.Seed) []fleet.InstanceGoal {
	base := fleet.InstanceGoal{
		Group: group, GroupID: id, Topology: fleet.Sentinel, Engine: fleet.EngineRedis, Service: "shop-" + group,
		Assigned: fleet.Running, SecretVersion: 1, Seed: seed,
		Monitor: &fleet.Monitor{MasterName: group, Quorum: 2, DownAfter: fleet.DefaultDownAfter,
			FailoverTimeout: fleet.DefaultFailoverTimeout, ParallelSyncs: 1, Announce: fleet.AnnounceAddress},
	}
	for i := 1; i <= 3; i++ {
		base.Servers = append(base.Servers, member(i, port, ""))
		m := member(i, port+20000, "")
		m.ID = plan.SentinelID(id, m.Node)
		base.Sentinels = append(base.Sentinels, m)
	}
	server, sentinel := base, base
	server.Kind, server.Addr = fleet.KindRedis, base.Servers[node-1].Addr
	server.ID = fleet.NewInstanceID(fleet.KindRedis, group, port)
	server.Config = fleet.Directives{"maxmemory": {"64mb"}}
	sentinel.Kind, sentinel.Addr = fleet.KindSentinel, base.Sentinels[node-1].Addr
	sentinel.ID = fleet.NewInstanceID(fleet.KindSentinel, group, port+20000)
	return []fleet.InstanceGoal{server, sentinel}
}

func sealed(group, id string, version int, text string) fleet.Secret {
	return fleet.Secret{Format: fleet.Format, Group: group, GroupID: id, Version: version, Recipient: "age1", Sealed: text}
}

// found is a fleet of two groups on three nodes that lost its Consul at epoch 5;
// the spec named zz before aa.
func found() Found {
	f := Found{Fleet: "shop", Now: now, Offers: map[string]fleet.Recovery{}, Reports: map[string]fleet.ReportRecord{}, Recipient: "age1"}
	for i := 1; i <= 3; i++ {
		node := member(i, 0, "").Node
		goal := fleet.Goal{Format: fleet.Format, FleetID: "F", Node: node, Epoch: 5}
		goal.Instances = append(instances("zz", "Z", i, 6379, nil), instances("aa", "A", i, 6380, nil)...)
		f.Offers[node] = fleet.Recovery{
			Format: fleet.Format, Node: node, Agent: "agent-" + node, FleetID: "F", Epoch: 5, Goal: goal,
			Secrets: []fleet.Secret{sealed("zz", "Z", 1, "z1"), sealed("aa", "A", 1, "a1")},
		}
		rep := fleet.Report{Format: fleet.Format, Node: node, FleetID: "F", Epoch: 5, Address: member(i, 0, "").Addr.Host}
		f.Reports[node] = fleet.ReportRecord{Alive: true, Report: rep}
	}
	return f
}

func edit(f Found, node string, change func(*fleet.Recovery)) {
	o := f.Offers[node]
	o.Goal.Instances = slices.Clone(o.Goal.Instances)
	o.Secrets = slices.Clone(o.Secrets)
	change(&o)
	f.Offers[node] = o
}

// TestRebuiltIsWhatStood: the next plan of a coordinator upon the rebuilt records
// has nothing to write, so no goal is replayed and no agent has anything to do.
func TestRebuiltIsWhatStood(t *testing.T) {
	f := found()
	for _, node := range []string{"n1", "n2", "n3"} { // one of the groups was changed
		edit(f, node, func(o *fleet.Recovery) { o.Goal.Instances[0].Change, o.Goal.Instances[1].Change = 4, 4 })
	}
	p := Make(f)
	if len(p.Refused) > 0 {
		t.Fatal(p.Refused)
	}
	w := fleet.World{
		Now: now, Control: &p.Control, Spec: &fleet.SpecRecord{Format: fleet.Format, Spec: p.Spec},
		Groups: map[string]fleet.Group{}, Goals: map[string]fleet.Goal{}, Reports: f.Reports,
	}
	for _, g := range p.Groups {
		w.Groups[g.Name] = g
	}
	for _, g := range p.Goals {
		w.Goals[g.Node] = g
	}
	if next := plan.Next(w, func() string { t.Error("something new was minted"); return "new" }); !next.Empty() || next.Halt != "" {
		t.Errorf("the next plan writes %d goals, %d groups: %s\n%s", len(next.Goals), len(next.Create)+len(next.Update), next.Halt,
			cmp.Diff(p.Goals, next.Goals))
	}
	if p.Control.FleetID != "F" || p.Control.Committed != 5 || p.Control.Recipient != "age1" {
		t.Errorf("control is %+v", p.Control)
	}
	if names := []string{p.Spec.Groups[0].Name, p.Spec.Groups[1].Name}; !slices.Equal(names, []string{"zz", "aa"}) {
		t.Errorf("the groups are %v: another order makes every goal a new one", names)
	}
	if _, problems := p.Spec.Validate(); len(problems) > 0 {
		t.Errorf("the spec is not valid: %v", problems)
	}
	if v := p.Spec.Groups[0].Config["maxmemory"]; !slices.Equal(v, []string{"64mb"}) {
		t.Errorf("maxmemory is %v", v)
	}
}

// TestMake is the table of what is rebuilt from offers that differ.
func TestMake(t *testing.T) {
	seed := &fleet.Seed{Master: member(2, 6379, "").Addr, Probe: "p", Fresh: true, Written: true}
	for name, tc := range map[string]struct {
		change func(*Found)
		check  func(t *testing.T, p Plan)
	}{
		"a node behind keeps its older goal, and the highest epoch counts": {
			func(f *Found) {
				edit(*f, "n2", func(o *fleet.Recovery) { o.Epoch, o.Goal.Epoch = 3, 3 })
			},
			func(t *testing.T, p Plan) {
				if p.Goals[1].Epoch != 3 || p.Control.Committed != 5 {
					t.Errorf("n2's goal %d, committed %d", p.Goals[1].Epoch, p.Control.Committed)
				}
			},
		},
		"a report is ahead of every offer": {
			func(f *Found) {
				r := f.Reports["n1"]
				r.Report.Epoch = 9
				f.Reports["n1"] = r
			},
			func(t *testing.T, p Plan) {
				if p.Control.Committed != 9 {
					t.Errorf("committed %d, want 9", p.Control.Committed)
				}
			},
		},
		"the newest password, from the one node that has it": {
			func(f *Found) {
				edit(*f, "n3", func(o *fleet.Recovery) { o.Secrets[0] = sealed("zz", "Z", 2, "z2") })
			},
			func(t *testing.T, p Plan) {
				if p.Secrets[0].Sealed != "z2" || p.Groups[0].CredentialsVersion != 1 {
					t.Errorf("%+v, version %d", p.Secrets[0], p.Groups[0].CredentialsVersion)
				}
			},
		},
		"a group that was forming goes on forming": {
			func(f *Found) {
				for _, node := range []string{"n1", "n2", "n3"} {
					edit(*f, node, func(o *fleet.Recovery) {
						for i := range o.Goal.Instances {
							if o.Goal.Instances[i].Group == "zz" {
								o.Goal.Instances[i].Seed = seed
							}
						}
					})
				}
			},
			func(t *testing.T, p Plan) {
				g := p.Groups[0]
				if g.Phase != fleet.PhaseStarting || g.WriteProved || g.Probe != "p" || !g.Fresh || !g.Written || g.Decision.Node != "n2" {
					t.Errorf("%+v", g)
				}
			},
		},
		"one node saw it serve": {
			func(f *Found) {
				edit(*f, "n1", func(o *fleet.Recovery) {
					o.Epoch, o.Goal.Epoch = 4, 4
					o.Goal.Instances[0].Seed, o.Goal.Instances[1].Seed = seed, seed
				})
			},
			func(t *testing.T, p Plan) {
				if g := p.Groups[0]; g.Phase != fleet.PhaseServing || !g.WriteProved || g.Decision.Rule != Rule {
					t.Errorf("%+v", g)
				}
			},
		},
		"a node that left the group stays out of it": {
			func(f *Found) {
				goal := fleet.Goal{Format: fleet.Format, FleetID: "F", Node: "n9", Epoch: 5, Instances: instances("zz", "Z", 1, 6379, nil)}
				for i := range goal.Instances {
					goal.Instances[i].Assigned = fleet.Held
				}
				f.Offers["n9"] = fleet.Recovery{Format: fleet.Format, Node: "n9", Agent: "agent-n9", FleetID: "F", Epoch: 5, Goal: goal}
			},
			func(t *testing.T, p Plan) {
				want := &fleet.Membership{Request: "recovered-at-5", Servers: []string{"n1", "n2", "n3"},
					Sentinels: []string{"n1", "n2", "n3"}, Quorum: 2, Retired: []string{"n9"}, Rebuilt: true}
				if d := cmp.Diff(want, p.Groups[0].Members); d != "" || p.Groups[1].Members != nil {
					t.Error(d)
				}
			},
		},
		"a node that left and did not hear of it stays out too": {
			func(f *Found) {
				goal := fleet.Goal{Format: fleet.Format, FleetID: "F", Node: "n9", Epoch: 1, Instances: instances("zz", "Z", 1, 6379, nil)}
				f.Offers["n9"] = fleet.Recovery{Format: fleet.Format, Node: "n9", Agent: "agent-n9", FleetID: "F", Epoch: 1, Goal: goal}
			},
			func(t *testing.T, p Plan) {
				if m := p.Groups[0].Members; m == nil || !slices.Equal(m.Retired, []string{"n9"}) || !slices.Equal(m.Servers, []string{"n1", "n2", "n3"}) {
					t.Errorf("the members are %+v", m)
				}
			},
		},
		"a node that left offers nothing": { // the sentinels have to forget it all the same, and the next change is the third
			func(f *Found) {
				for i, node := range []string{"n1", "n2", "n3"} {
					edit(*f, node, func(o *fleet.Recovery) {
						for j := range 2 {
							o.Goal.Instances[j].Change = min(i+1, 2) // n1 did not hear of the last one
						}
					})
				}
			},
			func(t *testing.T, p Plan) {
				want := &fleet.Membership{Change: 2, Request: "recovered-at-5", Servers: []string{"n1", "n2", "n3"},
					Sentinels: []string{"n1", "n2", "n3"}, Quorum: 2, Rebuilt: true}
				if d := cmp.Diff(want, p.Groups[0].Members); d != "" || p.Groups[1].Members != nil {
					t.Error(d)
				}
			},
		},
		"a node's disk went after it had offered what it kept": {
			func(f *Found) { // its agent is another one, which never followed a goal
				f.Reports["n2"] = fleet.ReportRecord{Alive: true, Report: fleet.Report{Format: fleet.Format, Node: "n2", Address: "10.0.0.12"}}
			},
			func(t *testing.T, p Plan) {
				if d := cmp.Diff(Make(found()).Goals, p.Goals); d != "" || p.Control.Committed != 5 || len(p.Missing) > 0 {
					t.Errorf("committed %d, missing %v\n%s", p.Control.Committed, p.Missing, d)
				}
			},
		},
		"without a node that is gone": {
			func(f *Found) {
				delete(f.Offers, "n3")
				delete(f.Reports, "n3")
				f.Without = []string{"n3"}
			},
			func(t *testing.T, p Plan) {
				if len(p.Goals) != 2 || !slices.Equal(p.Missing, []string{"n3"}) || len(p.Spec.Groups[0].Nodes) != 3 {
					t.Errorf("%d goals, missing %v, nodes %v", len(p.Goals), p.Missing, p.Spec.Groups[0].Nodes)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := found()
			tc.change(&f)
			p := Make(f)
			if len(p.Refused) > 0 {
				t.Fatal(p.Refused)
			}
			tc.check(t, p)
		})
	}
}

// TestRefusals: each contradiction is refused, and told with what to do.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Found)
		want   string
	}{
		"no offers": {func(f *Found) { f.Offers = nil }, "no agent offers anything yet"},
		"two fleets": {func(f *Found) {
			edit(*f, "n3", func(o *fleet.Recovery) { o.FleetID, o.Goal.FleetID = "G", "G" })
		}, "two fleets share these records: n1, n2, n3 belong to fleet F, n3 belong to fleet G"},
		"a report of another fleet": {func(f *Found) {
			f.Reports["n9"] = fleet.ReportRecord{Report: fleet.Report{FleetID: "G"}}
		}, "two fleets share these records: n1, n2, n3 belong to fleet F, n9 belong to fleet G"},
		"a copy of an agent": {func(f *Found) {
			edit(*f, "n2", func(o *fleet.Recovery) { o.Agent = "agent-n1" })
		}, "n1 and n2 say that they are the same agent"},
		"another node's goal": {func(f *Found) {
			edit(*f, "n2", func(o *fleet.Recovery) { o.Goal.Node = "n1" })
		}, `n2 offers the goal of node "n1"`},
		"two identities of a group": {func(f *Found) {
			edit(*f, "n2", func(o *fleet.Recovery) { o.Goal.Instances[0].GroupID = "Y" })
		}, "group zz has several identities: Y (n2), Z (n1, n2, n3)"},
		"no password": {func(f *Found) {
			for _, node := range []string{"n1", "n2", "n3"} {
				edit(*f, node, func(o *fleet.Recovery) { o.Secrets = o.Secrets[:1] })
			}
		}, "group aa: none of its nodes keeps its sealed password"},
		"nobody but a node that left": {func(f *Found) {
			f.Reports = nil
			for _, node := range []string{"n1", "n2"} {
				delete(f.Offers, node)
			}
			edit(*f, "n3", func(o *fleet.Recovery) {
				for i := range o.Goal.Instances {
					o.Goal.Instances[i].Assigned = fleet.Held
				}
			})
		}, "group zz: only nodes that left it offer what they keep"},
		"an old password": {func(f *Found) {
			edit(*f, "n2", func(o *fleet.Recovery) { o.Goal.Instances[2].SecretVersion = 2 })
		}, "group aa: the newest sealed password is version 1 (n1), its goals name version 2"},
		"two passwords of one version": {func(f *Found) {
			edit(*f, "n2", func(o *fleet.Recovery) { o.Secrets[1].Sealed = "other" })
		}, "group aa: n1 and n2 keep different passwords of the same version 1"},
		"a missing node": {func(f *Found) {
			delete(f.Offers, "n3")
			delete(f.Reports, "n3")
		}, "n3 offers nothing, and its agent does not report: bring its agent back, or leave it out with --without n3"},
		"a node that has not offered yet": {func(f *Found) { delete(f.Offers, "n3") },
			"n3 offers nothing yet, and its agent reports"},
		"a node that lost its state": {func(f *Found) {
			delete(f.Offers, "n3")
			f.Reports["n3"] = fleet.ReportRecord{Alive: true}
		}, "n3 offers nothing, and its agent says that it never followed a goal"},
		"without a node that is there": {func(f *Found) { f.Without = []string{"n1"} }, "--without n1: it is not missing"},
	} {
		t.Run(name, func(t *testing.T) {
			f := found()
			tc.change(&f)
			p := Make(f)
			if !strings.Contains(strings.Join(p.Refused, "\n"), tc.want) {
				t.Errorf("refused for %q, want %q", p.Refused, tc.want)
			}
		})
	}
	if p := Make(found()); len(p.Refused) > 0 {
		t.Errorf("the table's own base is refused: %q", p.Refused)
	}
}

// TestNewestOf: the first goal counts whatever its epoch, then the highest epoch, and
// of two of one epoch the first.
func TestNewestOf(t *testing.T) {
	goal := func(epoch uint64, service string) fleet.Goal {
		return fleet.Goal{Epoch: epoch, Instances: []fleet.InstanceGoal{{Group: "zz", Service: service, Assigned: fleet.Running}}}
	}
	for name, tc := range map[string]struct {
		goals []fleet.Goal
		want  string
	}{
		"epoch 0":              {[]fleet.Goal{goal(0, "only")}, "only"},
		"the higher":           {[]fleet.Goal{goal(3, "old"), goal(4, "new")}, "new"},
		"the higher one first": {[]fleet.Goal{goal(4, "new"), goal(3, "old")}, "new"},
		"equal ones":           {[]fleet.Goal{goal(4, "first"), goal(4, "second")}, "first"},
	} {
		if got, _ := newestOf(tc.goals, "zz"); got.Service != tc.want {
			t.Errorf("%s: %q, want %q", name, got.Service, tc.want)
		}
	}
}

// TestGroupsThatNothingOrders are ordered by name.
func TestGroupsThatNothingOrders(t *testing.T) {
	goals := []fleet.Goal{{Instances: []fleet.InstanceGoal{{Group: "zz"}}}, {Instances: []fleet.InstanceGoal{{Group: "aa"}}}, {Instances: []fleet.InstanceGoal{{Group: "mm"}}}}
	if got := groupOrder(goals); !slices.Equal(got, []string{"aa", "mm", "zz"}) {
		t.Errorf("the order is %v", got)
	}
}

// TestReasonsOfDecisions: a group that served says whether anybody could tell its
// master; one that was forming keeps the reason of its election.
func TestReasonsOfDecisions(t *testing.T) {
	f := found()
	for _, node := range []string{"n1", "n2", "n3"} {
		edit(f, node, func(o *fleet.Recovery) {
			for i := range o.Goal.Instances {
				if o.Goal.Instances[i].Group == "zz" {
					o.Goal.Instances[i].Seed = &fleet.Seed{Master: member(2, 6379, "").Addr, Probe: "p"}
				}
			}
		})
	}
	r := f.Reports["n3"]
	r.Report.Instances = []fleet.InstanceReport{{ID: fleet.NewInstanceID(fleet.KindRedis, "aa", 6380), Group: "aa", GroupID: "A", Kind: fleet.KindRedis,
		State: fleet.Running, Addr: member(3, 6380, "").Addr, Redis: &fleet.RedisReport{Role: fleet.RoleMaster}}}
	with := func(master bool) fleet.Decision {
		f.Reports["n3"] = fleet.ReportRecord{Alive: true, Report: fleet.Report{Format: fleet.Format, Node: "n3", FleetID: "F", Epoch: 5}}
		if master {
			f.Reports["n3"] = r
		}
		p := Make(f)
		if forming := p.Groups[0].Decision; forming.Node != "n2" || !strings.Contains(forming.Reason, "the elected master of a group that was forming") {
			t.Errorf("the group that was forming: %+v", forming)
		}
		return p.Groups[1].Decision
	}
	if d := with(false); d.Node != "" || !strings.Contains(d.Reason, "nobody could say who is master") {
		t.Errorf("without a master: %+v", d)
	}
	if d := with(true); d.Node != "n3" || !strings.Contains(d.Reason, "it was the master then") {
		t.Errorf("with a master: %+v", d)
	}
}

// TestMembersOfASecondLook: recover looks once more before it writes, and again where a
// run was cut off, and stops where it finds something else.
func TestMembersOfASecondLook(t *testing.T) {
	f := found()
	edit(f, "n2", func(o *fleet.Recovery) { o.Goal.Instances[0].Change = 2 })
	first := Make(f).Groups[0].Members
	f.Now = f.Now.Add(time.Minute)
	if d := cmp.Diff(first, Make(f).Groups[0].Members); first == nil || d != "" {
		t.Errorf("a look a minute later finds another membership than %+v: %s", first, d)
	}
}
