package request

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// ForgetGap is how far apart two sentinels forget: three INFO periods, within which
// one has learned its replicas again (hazard S5).
const ForgetGap = 30 * time.Second

// Step is what is written next, all of it in one transaction.
type Step struct {
	Requests []fleet.Request
	Groups   []fleet.Group
	Events   []fleet.Event
}

// Options are what a decision rests on beside the records.
type Options struct {
	// Gap between two sentinels that forget; 0 is ForgetGap.
	Gap time.Duration
	// Known tells for how long this coordinator has known a token, by its monotonic
	// clock: a new one counts anew, and so waits rather longer (hazard M6).
	Known func(token string) time.Duration
}

// Next gives the next step of the requests; false when there is none now. Those that
// were made and not begun come first, oldest first; each takes over what is left of
// the one before. One that must wait before it begins holds up nothing that has begun:
// its node may have become the master since it was made, and stay so.
func Next(w fleet.World, o Options) (Step, bool) {
	if o.Gap == 0 {
		o.Gap = ForgetGap
	}
	if w.Spec == nil {
		return Step{}, false
	}
	open := Open(w)
	if len(open) == 0 {
		return haunted(w)
	}
	made := func(r fleet.Request) bool { return r.Phase == fleet.RequestMade }
	if i := slices.IndexFunc(open, made); i >= 0 {
		if s, some := begin(w, open[i], open); some {
			return s, true
		}
	}
	if open = slices.DeleteFunc(open, made); len(open) == 0 {
		return Step{}, false
	}
	r := open[len(open)-1]
	switch r.Phase {
	case fleet.RequestLeaving:
		return advance(w, r, fleet.RequestForgetting, leaving(w, r))
	case fleet.RequestForgetting:
		return forgetting(w, r, o)
	case fleet.RequestSettling:
		return settling(w, r)
	}
	return finish(w, r, true, fmt.Sprintf("its phase %q is not known to this coordinator", r.Phase))
}

// Open are the requests that are not done, oldest first.
func Open(w fleet.World) []fleet.Request {
	var out []fleet.Request
	for _, r := range w.Requests {
		if r.Phase != fleet.RequestDone {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b fleet.Request) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// begin changes the members of the groups, where that may be done now.
func begin(w fleet.World, r fleet.Request, open []fleet.Request) (Step, bool) {
	if r.Kind != fleet.RequestReplace {
		return finish(w, r, true, fmt.Sprintf("requests of the kind %q are not known to this coordinator", r.Kind))
	}
	p := Replace(w, r.Node, r.With)
	if len(p.Groups) == 0 {
		return finish(w, r, true, strings.Join(p.Refused, "; "))
	}
	if why := unlikeSpec(w, p); why != "" {
		return finish(w, r, true, why)
	}
	if all := p.Objections(); len(all) > 0 {
		return wait(r, strings.Join(all, "; "))
	}
	var s Step
	groups := p.Touched()
	for _, other := range open {
		if other.Phase == fleet.RequestMade || other.ID == r.ID {
			continue
		}
		groups = append(groups, other.Groups...)
		other.Phase, other.Since, other.Waits, other.Outcome = fleet.RequestDone, w.Now, "", "what was left of it goes on as "+r.ID
		s.Requests = append(s.Requests, other)
	}
	for _, c := range p.Groups {
		if rec, changed := withChange(w.Groups[c.Before.Name], c, r); changed {
			s.Groups = append(s.Groups, rec)
		}
		s.Events = append(s.Events, event(w, c.Before.Name, r, tells(r), "an operator asked for it: request "+r.ID))
	}
	slices.Sort(groups)
	r.Groups = slices.Compact(groups)
	next, _ := advance(w, r, fleet.RequestLeaving, "")
	s.Requests = append(s.Requests, next.Requests...)
	return s, true
}

// unlikeSpec: the spec was changed since the request was made, so that what it would
// do is not what is wanted.
func unlikeSpec(w fleet.World, p Plan) string {
	spec := w.Spec.Spec.WithDefaults()
	for _, c := range p.Groups {
		g, ok := spec.Group(c.Before.Name)
		if !ok || !slices.Equal(g.Nodes, c.After.Nodes) || !slices.Equal(g.Sentinel.Nodes, c.After.Sentinel.Nodes) {
			return fmt.Sprintf("the spec in Consul says otherwise of group %s since; nothing was changed", c.Before.Name)
		}
	}
	return ""
}

// withChange gives a group's record with its new members; false where they stay.
func withChange(rec fleet.Group, c Change, r fleet.Request) (fleet.Group, bool) {
	if slices.Equal(c.Before.Nodes, c.After.Nodes) && slices.Equal(c.Before.Sentinel.Nodes, c.After.Sentinel.Nodes) {
		return rec, false
	}
	m := fleet.Membership{}
	if rec.Members != nil {
		m = *rec.Members
	}
	m.Change, m.Request = m.Change+1, r.ID
	m.Servers, m.Sentinels, m.Quorum = c.After.Nodes, c.After.Sentinel.Nodes, c.After.Sentinel.Quorum
	retired := append(slices.Clone(m.Retired), r.Node)
	slices.Sort(retired)
	m.Retired = slices.DeleteFunc(slices.Compact(retired), func(n string) bool {
		return slices.Contains(m.Servers, n) || slices.Contains(m.Sentinels, n)
	})
	rec.Members = &m
	return rec, true
}

// leaving says what the node still runs; empty when all of it is down.
func leaving(w fleet.World, r fleet.Request) string {
	for _, group := range r.Groups {
		c, ok := circleOf(w, group)
		if !ok {
			return "waits until the goals of group " + group + " are written"
		}
		if c.rec.Members == nil {
			continue
		}
		for _, node := range c.rec.Members.Retired {
			if why := stillRuns(w, c, node); why != "" {
				return why
			}
		}
	}
	return ""
}

// stillRuns goes by the node's own word while its agent lives. Of a machine that is
// gone the sentinels tell, which is looked at before any of them forgets; where there
// are none, the master's list of its replicas does. A machine that lost its power
// counts as alive until its session ends, minutes later: what it has not even heard
// of it will not do, and what all sentinels count as down is not waited for.
func stillRuns(w fleet.World, c circle, node string) string {
	rec, goal := w.Reports[node], w.Goals[node]
	for _, inst := range goal.Instances {
		if inst.GroupID != c.rec.ID || inst.Assigned != fleet.Held {
			continue
		}
		rep := rec.Report.Instance(inst.ID)
		heard := rec.Report.Epoch >= goal.Epoch || !c.countedOut(inst)
		if rec.Alive && rep != nil && !rep.Retired && rep.State != fleet.Absent && heard {
			return fmt.Sprintf("waits until %s is stopped on %s", inst.ID, node)
		}
		if c.monitor != nil || inst.Kind != fleet.KindRedis {
			continue
		}
		for _, s := range c.servers {
			if s.up && slices.Contains(s.inst.Redis.Replicas, inst.Addr) {
				return fmt.Sprintf("waits until %s on %s is down: it still follows %s", inst.ID, node, s.Node)
			}
		}
	}
	return ""
}

// forgetting gives a token to the next sentinel, or goes on where none is left.
func forgetting(w fleet.World, r fleet.Request, o Options) (Step, bool) {
	if why := leaving(w, r); why != "" {
		return wait(r, why)
	}
	waits := ""
	var s Step
	for _, group := range r.Groups {
		c, ok := circleOf(w, group)
		if !ok || c.monitor == nil {
			continue
		}
		var since time.Duration
		if last := lastToken(c.rec); last != nil {
			since = o.Known(last.Token)
		}
		t := c.forget(r.With, since, o.Gap)
		if t.node != "" {
			s.Groups = append(s.Groups, withToken(c, t.node, r))
			s.Events = append(s.Events, event(w, group, r, "the sentinel on "+t.node+" is to forget who left", "the others are complete, and the master is well (S5)"))
		}
		if t.waits != "" && waits == "" {
			waits = "group " + group + ": " + t.waits
		}
	}
	if waits != "" {
		next, changed := wait(r, waits)
		s.Requests = next.Requests
		return s, changed || len(s.Groups) > 0
	}
	for _, group := range r.Groups { // what was carried out must not be carried out by a later machine
		if rec := w.Groups[group]; lastToken(rec) != nil {
			m := *rec.Members
			m.Forget, rec.Members = nil, &m
			s.Groups = append(s.Groups, rec)
		}
	}
	next, _ := advance(w, r, fleet.RequestSettling, "")
	s.Requests = next.Requests
	return s, true
}

// withToken gives the record with a new token; each is used once.
func withToken(c circle, node string, r fleet.Request) fleet.Group {
	rec, m := c.rec, fleet.Membership{Request: r.ID, Servers: names(c.servers), Sentinels: names(c.sentinels), Quorum: c.monitor.Quorum}
	if rec.Members != nil {
		m = *rec.Members
	}
	m.Forgets++
	m.Forget = &fleet.Forget{Node: node, Token: fmt.Sprintf("%s-%d", r.ID, m.Forgets)}
	rec.Members = &m
	return rec
}

func names(list []seat) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.Node
	}
	return out
}

// settling ends a request when every group that it touched is verified again.
func settling(w fleet.World, r fleet.Request) (Step, bool) {
	for _, group := range r.Groups {
		// One that left came back meanwhile, and went again.
		if c, ok := circleOf(w, group); ok && len(c.ghosts()) > 0 {
			return advance(w, r, fleet.RequestForgetting, "")
		}
	}
	for _, group := range r.Groups {
		if _, named := w.Spec.Spec.Group(group); !named {
			continue
		}
		if a := assess.Group(w, group); a.State != fleet.GroupServing {
			return wait(r, "waits until group "+group+" is as it should be; redfleet verify says what is missing")
		}
	}
	s, ok := finish(w, r, false, "done: "+tells(r)+" in "+strings.Join(r.Groups, ", "))
	for _, group := range r.Groups {
		s.Events = append(s.Events, event(w, group, r, "request "+r.ID+" is done", tells(r)))
	}
	return s, ok
}

// tells is what a request is, in words.
func tells(r fleet.Request) string {
	switch r.With {
	case "":
		return r.Node + " leaves"
	case r.Node:
		return "a new machine takes the place of " + r.Node + " under its name"
	}
	return r.With + " takes the place of " + r.Node
}

// advance goes on to a phase, unless something has to be waited for first.
func advance(w fleet.World, r fleet.Request, next fleet.RequestPhase, waits string) (Step, bool) {
	if waits != "" {
		return wait(r, waits)
	}
	r.Phase, r.Since, r.Waits = next, w.Now, ""
	return Step{Requests: []fleet.Request{r}}, true
}

// wait notes what a request waits for, once.
func wait(r fleet.Request, why string) (Step, bool) {
	if r.Waits == why {
		return Step{}, false
	}
	r.Waits = why
	return Step{Requests: []fleet.Request{r}}, true
}

func finish(w fleet.World, r fleet.Request, refused bool, outcome string) (Step, bool) {
	r.Phase, r.Since, r.Waits, r.Outcome, r.Refused = fleet.RequestDone, w.Now, "", outcome, refused
	return Step{Requests: []fleet.Request{r}}, true
}

func event(w fleet.World, group string, r fleet.Request, what, why string) fleet.Event {
	return fleet.Event{At: w.Now, Group: group, Node: r.Node, What: what, Why: why}
}

// InWords tells an operator what a request does and how far it is.
func InWords(r fleet.Request) string {
	text := tells(r) + ": " + string(r.Phase)
	if r.Outcome != "" {
		return text + "; " + r.Outcome
	}
	if r.Waits != "" {
		text += "; " + r.Waits
	}
	return text
}
