package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// told is how long what is wrong with a node may stay unknown to a coordinator whose
// agents and Consul are well: down-after, the next look and the report.
const told = 20 * time.Second

// crowned is how long the same may not know of a master that works: its agent looks
// once a second, and a look at a server that is slow to answer takes seconds.
const crowned = 8 * time.Second

// roster is who makes up the group "main" as Consul was told last, and what is true
// of the nodes meanwhile.
type roster struct {
	mu     sync.Mutex
	record fleet.Group
	// changed: an operator changed the members in this run.
	changed bool
	// doubt is until when those who decide may not know what is so.
	doubt time.Duration
	// well is when a node's sentinel was last well, reign since when a node's server
	// is a master.
	well, reign map[string]time.Duration
}

func newRoster() *roster {
	return &roster{well: map[string]time.Duration{}, reign: map[string]time.Duration{}}
}

// members are the nodes of the group "main": the first three until that was changed.
func (w *World) members() []*node {
	w.roster.mu.Lock()
	defer w.roster.mu.Unlock()
	return w.membersOf(w.roster.record)
}

func (w *World) membersOf(g fleet.Group) []*node {
	if g.Members == nil {
		return slices.Clone(w.nodes[:nodeCount])
	}
	var out []*node
	for _, n := range w.nodes {
		if slices.Contains(g.Members.Servers, n.name) {
			out = append(out, n)
		}
	}
	return out
}

// recorded: a coordinator wrote the record of the group "main".
func (j *judge) recorded(g fleet.Group) {
	w, r := j.w, j.w.roster
	r.mu.Lock()
	before := r.record
	r.record = g
	changed := g.Members != nil && g.ID == before.ID && (before.Members == nil || g.Members.Change > before.Members.Change)
	r.changed = r.changed || changed
	r.mu.Unlock()
	if !changed {
		return
	}
	left, stay := w.membersOf(before), w.membersOf(g)
	for _, n := range stay {
		left = slices.DeleteFunc(left, func(o *node) bool { return o == n })
	}
	for _, n := range left {
		w.trace("judge", "%s leaves", n.name)
		j.mayLeave(n, w.membersOf(before))
		w.clients.left(n, stay)
	}
	for _, n := range stay {
		if !slices.Contains(w.membersOf(before), n) {
			j.joins(n, stay)
		}
	}
}

// mayLeave: a member is taken out only while the others can do without it: it is not
// the master, and its fellows' sentinels are a majority without it (one-at-a-time).
// Where those who decide could not know better nothing is said.
func (j *judge) mayLeave(gone *node, before []*node) {
	r := j.w.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	now := j.w.now()
	if now < r.doubt {
		return
	}
	if since, is := r.reign[gone.name]; is && now-since > crowned {
		j.w.fail("one-at-a-time", "%s was taken out, which has been the master for %v", gone.name, now-since)
	}
	well := 0
	for _, n := range before {
		if n != gone && now-r.well[n.name] <= told {
			well++
		}
	}
	if need := fleet.Majority(len(before)); well < need {
		j.w.fail("one-at-a-time", "%s was taken out while %d other sentinels were well, and %d must agree on a failover", gone.name, well, need)
	}
}

// watch notes once a second what is so.
func (r *roster) watch(w *World) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range w.nodes {
		if p := w.systemd[n.host].find("sentinel-main"); p != nil {
			if _, well := p.Running(); well {
				r.well[n.name] = w.now()
			}
		}
		master := false
		if p := w.systemd[n.host].find("redis-main"); p != nil {
			_, well := p.Running() // one that is frozen cannot hear that another is the master (seed 1784)
			_, master = p.Peek()
			master = master && well
		}
		if _, was := r.reign[n.name]; !master {
			delete(r.reign, n.name)
		} else if !was {
			r.reign[n.name] = w.now()
		}
	}
}

// doubts: an event keeps those who decide from knowing what is so.
func (r *roster) doubts(w *World, e Event) {
	switch e.Kind {
	case KillRedis, KillRestart, KillSentinel, StopRedis, FreezeRedis, PowerOff, LoseData, LoseDisk, ReadOnly, Apply, ApplyAgain, ApplyMore, RemoveNode, ReplaceNode:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubt = max(r.doubt, w.now()+e.For+told)
}

// reread takes the record as it is in Consul, which went back or was rebuilt.
func (r *roster) reread(w *World) {
	rec := w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Group("main")+"?raw", nil)
	var g fleet.Group
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &g) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record = g
}

// left: a node is no member any more, so its copies count no more; but a copy of
// which the others have none must not have gone (data-wins).
func (c *clients) left(gone *node, stay []*node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var alone []string
	for n, k := range c.safe {
		if delete(k.nodes, gone.name); len(k.nodes) == 0 {
			alone = append(alone, fmt.Sprintf("k%d", n))
		}
	}
	slices.Sort(alone)
	for _, n := range stay {
		p := c.w.systemd[n.host].find("redis-main")
		if p == nil || len(alone) == 0 {
			continue
		}
		holds, _ := p.Peek(alone...)
		alone = slices.DeleteFunc(alone, func(key string) bool {
			if holds[key] {
				c.safe[number(key)].nodes[n.name] = true
			}
			return holds[key]
		})
	}
	if len(alone) > 0 {
		c.w.fail("data-wins", "%s was taken out with the last copy of %d writes that every server had", gone.name, len(alone))
	}
}

func number(key string) int {
	var n int
	_, _ = fmt.Sscanf(key, "k%d", &n)
	return n
}

// strangers names what is left of nodes that are no members: instances that run
// although they left, and entries in the sentinels' lists (hazard S4).
func (w *World) strangers(ctx context.Context) string {
	in := w.members()
	for _, n := range w.nodes {
		for _, kind := range []string{"redis-main", "sentinel-main"} {
			if !slices.Contains(in, n) && w.systemd[n.host].find(kind) != nil {
				return fmt.Sprintf("%s is no member and runs %s", n.name, kind)
			}
		}
	}
	if !w.schedule.operated() {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, n := range in {
		if why := w.ghosts(ctx, n, in); why != "" {
			return why
		}
	}
	return ""
}

// ghosts names an address that a sentinel lists and that is no member's.
func (w *World) ghosts(ctx context.Context, of *node, in []*node) string {
	c := redis.Network{Dialer: dialer{w}}.Sentinel(fleet.Addr{Host: of.host, Port: 26379}, w.clients.secret())
	defer c.Close()
	peers, err := c.Sentinels(ctx, "main")
	if err != nil {
		return err.Error()
	}
	replicas, err := c.Replicas(ctx, "main")
	if err != nil {
		return err.Error()
	}
	for _, e := range slices.Concat(peers, replicas) {
		if !slices.ContainsFunc(in, func(n *node) bool { return n.host == e.Addr.Host }) {
			return fmt.Sprintf("the sentinel on %s knows %s, which is no member", of.name, e.Addr)
		}
	}
	return ""
}

// watchMembers follows what is so, where an operator changes the nodes.
func (w *World) watchMembers(ctx context.Context) {
	if !w.schedule.operated() {
		return
	}
	w.waits.Go(func() {
		for ctx.Err() == nil {
			w.roster.watch(w)
			pause(ctx, time.Second+11*time.Nanosecond)
		}
	})
}

// allHold: each of these servers has the key. A replica that is no member may have
// been counted by WAIT; where nobody changes the members there is none.
func (w *World) allHold(key string, in []*node) bool {
	if !w.schedule.operated() {
		return true
	}
	return !slices.ContainsFunc(in, func(n *node) bool {
		p := w.systemd[n.host].find("redis-main")
		if p == nil {
			return true
		}
		holds, _ := p.Peek(key)
		return !holds[key]
	})
}

// withMembers gives a spec the nodes that Consul was told last, where it has none.
func (w *World) withMembers(spec fleet.Spec) fleet.Spec {
	w.roster.mu.Lock()
	defer w.roster.mu.Unlock()
	m := w.roster.record.Members
	for i := range spec.Groups {
		if m != nil {
			spec.Groups[i].Nodes, spec.Groups[i].Sentinel.Nodes = m.Servers, m.Sentinels
			spec.Groups[i].Sentinel.Quorum = m.Quorum
		}
	}
	return spec
}

// sameMembers gives a spec the nodes that Consul's has: apply refuses any others.
func (w *World) sameMembers(spec fleet.Spec) fleet.Spec {
	rec := w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Spec()+"?raw", nil)
	var now fleet.SpecRecord
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &now) != nil {
		return w.withMembers(spec)
	}
	for i, g := range spec.Groups {
		if there, ok := now.Spec.Group(g.Name); ok {
			spec.Groups[i].Nodes, spec.Groups[i].Sentinel.Nodes = there.Nodes, there.Sentinel.Nodes
			spec.Groups[i].Sentinel.Quorum, spec.Groups[i].Prefer = there.Sentinel.Quorum, there.Prefer
		}
	}
	return spec
}

// tooSmall: of two members one lost its disk. A new sentinel there believes no less
// than a majority, which one alone is not: the warning that node remove gives.
func (w *World) tooSmall() bool {
	in := w.members()
	w.judge.mu.Lock()
	defer w.judge.mu.Unlock()
	return len(in) < 3 && slices.ContainsFunc(in, func(n *node) bool { return w.judge.wipedEver[n.name] })
}
