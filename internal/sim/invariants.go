package sim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/redismodel"
	"github.com/redfleet/redfleet/internal/safefile"
)

// judge holds the run to the promises. It goes by what it sees itself: the writes
// that Consul took, the files on the disks, the bytes on the wire.
type judge struct {
	w   *World
	ctx context.Context

	mu sync.Mutex
	// makers says which process made a session.
	makers map[string]*process
	// elected are the decisions that were ever recorded, by group.
	elected map[string]map[string]string
	// goals are the goals of a node by epoch, as they were committed; epochs the
	// highest that each node followed.
	goals map[string]string
	// acted is the decision about a group that a node follows.
	acted map[string]string
	// assigned is what a node's goal says of its instances.
	assigned map[string]map[fleet.InstanceID]fleet.State
	epochs   map[string]uint64
	// sentinels is what each sentinel.conf said before it was written.
	sentinels  map[string]redisconf.SentinelState
	states     map[fleet.InstanceID]map[string]fleet.State
	lostConsul bool
	// before is what Consul held when it last lost something; recoveries are how often
	// an operator rebuilt it.
	before     *lostState
	recoveries int
	halfFormed bool
	lostDisk   map[string]bool
	wipedEver  map[string]bool
	duplicates map[string]bool
}

func newJudge(ctx context.Context, w *World) *judge {
	return &judge{
		w: w, ctx: ctx, makers: map[string]*process{}, elected: map[string]map[string]string{}, goals: map[string]string{}, assigned: map[string]map[fleet.InstanceID]fleet.State{}, acted: map[string]string{},
		epochs: map[string]uint64{}, sentinels: map[string]redisconf.SentinelState{},
		states: map[fleet.InstanceID]map[string]fleet.State{}, duplicates: map[string]bool{}, lostDisk: map[string]bool{}, wipedEver: map[string]bool{},
	}
}

// request is one write to Consul that is under way.
type request struct {
	p    *process
	req  *http.Request
	body []byte
	// holder is who held the lease just before.
	holder string
}

func (j *judge) beforeConsul(p *process, req *http.Request, body []byte) *request {
	if req.Method == http.MethodGet {
		return nil
	}
	j.secrets(p.name+" to Consul", body)
	r := &request{p: p, req: req, body: body}
	if isCoordinator(p) {
		r.holder = j.w.consul.sessionOf(keys.Lease())
	}
	return r
}

func isCoordinator(p *process) bool { return p.name[0] == 'c' }

var keys = fleet.KeysOf(fleetName)

// op is one step of a transaction as it goes over the wire.
type op struct {
	KV struct {
		Verb, Key, Session string
		Value              string
		Index              uint64
	}
}

func (j *judge) afterConsul(r *request, rec *httptest.ResponseRecorder) {
	if r == nil || rec.Code != http.StatusOK {
		return
	}
	switch {
	case strings.HasSuffix(r.req.URL.Path, "/session/create"):
		var made struct{ ID string }
		if json.Unmarshal(rec.Body.Bytes(), &made) == nil {
			j.mu.Lock()
			j.makers[made.ID] = r.p
			j.mu.Unlock()
		}
	case strings.HasSuffix(r.req.URL.Path, "/txn"):
		var ops []op
		if err := json.Unmarshal(r.body, &ops); err != nil {
			j.w.fail("simulation", "a transaction that cannot be read: %v", err)
			return
		}
		j.transaction(r, ops)
	}
}

func (j *judge) transaction(r *request, ops []op) {
	writes := 0
	for _, o := range ops {
		if strings.HasPrefix(o.KV.Verb, "check") {
			continue
		}
		writes++
		value, _ := base64.StdEncoding.DecodeString(o.KV.Value)
		j.secrets(o.KV.Key, value)
		switch {
		case strings.HasPrefix(o.KV.Key, keys.Groups()):
			j.group(o.KV.Key, value)
		case strings.HasPrefix(o.KV.Key, keys.Goals()) && len(value) > 0:
			j.goal(o.KV.Key, value)
		case strings.HasPrefix(o.KV.Key, keys.Reports()):
			j.report(value)
			if strings.HasPrefix(r.p.name, "twin-") { // it has the name, as an operator let it
				j.rolledBack()
			}
		}
	}
	if writes > 0 && isCoordinator(r.p) {
		j.fenced(r)
	}
	if rebuilds(r.p, ops) {
		j.w.roster.reread(j.w)
		j.recovered()
	}
}

// fenced: a coordinator writes only while it holds the lease (fenced-leader).
func (j *judge) fenced(r *request) {
	j.mu.Lock()
	maker := j.makers[r.holder]
	j.mu.Unlock()
	if maker != r.p {
		held := "nobody"
		if maker != nil {
			held = maker.name
		}
		j.w.fail("fenced-leader", "%s wrote while %s held the lease", r.p.name, held)
	}
}

// group: one election for each group, ever (one-election).
func (j *judge) group(key string, value []byte) {
	var g fleet.Group
	if err := json.Unmarshal(value, &g); err != nil {
		j.w.fail("simulation", "%s: %v", key, err)
		return
	}
	if key == keys.Group("main") {
		j.recorded(g)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.elected[key] == nil {
		j.elected[key] = map[string]string{}
	}
	j.elected[key][g.ID] = g.Decision.Node
	// A Consul that lost a decision which nobody has followed yet may make another.
	if len(j.elected[key]) > 1 && !j.lostConsul {
		ids := slices.Sorted(maps.Keys(j.elected[key]))
		j.w.fail("one-election", "%s was decided %d times: %v", key, len(ids), slices.Sorted(maps.Values(j.elected[key])))
	}
}

// goal: one epoch stands for one plan (resumable, K8).
func (j *judge) goal(key string, value []byte) {
	var g fleet.Goal
	if err := json.Unmarshal(value, &g); err != nil {
		j.w.fail("simulation", "%s: %v", key, err)
	}
}

// report counts the states that instances go through.
func (j *judge) report(value []byte) {
	var r fleet.Report
	if json.Unmarshal(value, &r) != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range r.Instances {
		if j.states[i.ID] == nil {
			j.states[i.ID] = map[string]fleet.State{}
		}
		before := j.states[i.ID][r.Node]
		if i.Reason != "" {
			j.w.note(r.Node, string(i.ID)+" is "+string(i.State)+": "+i.Reason)
		}
		j.states[i.ID][r.Node] = i.State
		if before == "" {
			before = fleet.Absent
		}
		j.w.cover.state(before, i.State)
		j.w.cover.transition(before, j.assigned[r.Node][i.ID], i.State)
	}
}

// secrets: no password in clear where it must not be (secrets-stay-secret).
func (j *judge) secrets(where string, text []byte) {
	if p := j.w.clients.known(); p != "" && bytes.Contains(text, []byte(p)) {
		j.w.fail("secrets-stay-secret", "the password is in clear in %s", where)
	}
}

func (j *judge) argv(argv []string) { j.secrets("an argument list", []byte(strings.Join(argv, " "))) }

// label looks at a node's files around the effects that write them.
func (j *judge) label(p *process, l effect.Label, at effect.Point) {
	name, _, _ := strings.Cut(p.name, "/")
	i := slices.IndexFunc(j.w.nodes, func(n *node) bool { return n.name == name })
	if i < 0 || j.w.nodes[i].host != p.host {
		return
	}
	n := j.w.nodes[i]
	switch {
	case l == apply.LabelSentinel:
		j.sentinelConf(n, at)
	case l == agent.LabelGoal && at == effect.After:
		j.followed(n)
	}
}

// sentinelConf: what Sentinel wrote survives a render (sentinel-state-kept).
func (j *judge) sentinelConf(n *node, at effect.Point) {
	paths, _ := filepath.Glob(filepath.Join(n.dataDir(), "sentinel-*", "sentinel.conf"))
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, path := range paths {
		b, err := safefile.Read(path)
		if err != nil {
			continue
		}
		f, err := redisconf.Parse(b)
		if err != nil {
			continue
		}
		now, err := redisconf.ReadSentinelState(f)
		if err != nil {
			continue
		}
		if before, known := j.sentinels[path]; known && at == effect.After {
			j.compare(path, before, now)
		}
		j.sentinels[path] = now
	}
	if at == effect.After {
		clear(j.sentinels)
	}
}

func (j *judge) compare(path string, before, now redisconf.SentinelState) {
	path = strings.TrimPrefix(path, j.w.dir)
	if before.MyID != "" && before.MyID != now.MyID {
		j.w.fail("sentinel-state-kept", "%s: myid was changed", path)
	}
	if now.CurrentEpoch < before.CurrentEpoch {
		j.w.fail("sentinel-state-kept", "%s: current-epoch went from %d to %d", path, before.CurrentEpoch, now.CurrentEpoch)
	}
	for _, m := range before.Masters {
		i := slices.IndexFunc(now.Masters, func(x redisconf.MonitoredMaster) bool { return x.Name == m.Name })
		if i < 0 || now.Masters[i].ConfigEpoch < m.ConfigEpoch || now.Masters[i].Addr != m.Addr {
			j.w.fail("sentinel-state-kept", "%s: what it says of master %s was changed", path, m.Name)
		}
	}
}

// followed: a node never goes back to an older goal, and one epoch is one goal.
func (j *judge) followed(n *node) {
	store, err := state.OpenExisting(n.stateDir())
	if err != nil {
		return
	}
	g, found, err := store.Goal()
	if err != nil || !found {
		return
	}
	b, _ := json.Marshal(g)
	j.mu.Lock()
	defer j.mu.Unlock()
	if g.Epoch < j.epochs[n.name] {
		j.w.fail("resumable", "%s follows goal %d after goal %d", n.name, g.Epoch, j.epochs[n.name])
	}
	j.epochs[n.name], j.assigned[n.name] = g.Epoch, map[fleet.InstanceID]fleet.State{}
	for _, i := range g.Instances {
		j.assigned[n.name][i.ID] = i.Assigned
		if before := j.acted[i.Group]; before != "" && before != i.GroupID {
			j.w.fail("one-election", "nodes follow two decisions about group %s", i.Group)
		}
		j.acted[i.Group] = i.GroupID
	}
	key := n.name + " " + g.FleetID + " " + jsonNumber(g.Epoch)
	if before, known := j.goals[key]; known && before != string(b) {
		j.w.fail("resumable", "epoch %d of %s stands for two goals", g.Epoch, n.name)
	}
	j.goals[key] = string(b)
}

func jsonNumber(n uint64) string { b, _ := json.Marshal(n); return string(b) }

// sent looks at what redfleet says to an instance: never a role
// (sentinel-owns-master), never an end or an empty database (fail-static, data-wins).
func (j *judge) sent(p *process, b []byte) {
	for line := range bytes.Lines(b) {
		word := bytes.TrimSuffix(line, []byte("\r\n"))
		if len(word) < len("SLAVEOF") || len(word) > len("REPLICAOF") {
			continue
		}
		for _, bad := range []string{"REPLICAOF", "SLAVEOF", "FLUSHALL", "FLUSHDB", "SHUTDOWN"} {
			if bytes.EqualFold(word, []byte(bad)) {
				j.w.fail("sentinel-owns-master", "%s sent %s to an instance", p.name, bad)
			}
		}
	}
}

func (w *World) sent(p *process, b []byte) { w.judge.sent(p, b) }

// ended: a daemon gives up only over a name that is taken.
func (j *judge) ended(p *process, err error) {
	j.mu.Lock()
	node, _, _ := strings.Cut(p.name, "/")
	twins := j.duplicates[strings.TrimPrefix(node, "twin-")]
	j.mu.Unlock()
	if twins && errors.Is(err, agent.ErrNameTaken) {
		j.w.cover.rule("name taken")
		return
	}
	j.w.fail("fail-static", "%s ended: %v", p.name, err)
}

// exit: what a process's end means for the data it held, and whether it had a
// reason that a fault gave it.
func (j *judge) exit(n *node, id fleet.InstanceID, e redismodel.Exit) {
	if !j.w.schedule.Persist && strings.HasPrefix(string(id), "redis-main") {
		j.lost(n)
	}
	_ = e
}

// lost: a node does not hold any more what it held.
func (j *judge) lost(n *node) {
	j.w.clients.lost(n.name, time.Hour)
}

func (j *judge) rolledBack() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lostConsul = true
}

func (j *judge) wiped(n *node) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lostDisk[n.name], j.wipedEver[n.name] = true, true
	delete(j.epochs, n.name)
}

// masterNode is the node of the master that clients were told last.
func (j *judge) masterNode() string {
	j.w.clients.mu.Lock()
	defer j.w.clients.mu.Unlock()
	for _, n := range j.w.nodes {
		if n.host == j.w.clients.master.Host {
			return n.name
		}
	}
	return ""
}

// known is the password, once there is one.
func (c *clients) known() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.password
}

// sessionOf is who holds a key.
func (c *consulModel) sessionOf(key string) string {
	rec := c.ask(http.MethodGet, "/v1/kv/"+key, nil)
	var pairs []struct{ Session string }
	if json.Unmarshal(rec.Body.Bytes(), &pairs) != nil || len(pairs) == 0 {
		return ""
	}
	return pairs[0].Session
}

// twins: a second agent ran under a node's name.
func (j *judge) twins() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.duplicates) > 0
}

// lostForming: Consul lost a group that was not whole; nothing but an operator can
// make it whole from there.
func (j *judge) lostForming() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.halfFormed = true
}

// beyond: what is left of the fleet does not say any more what a node was for: Consul
// lost it, and so did the node's disk, or the node was not told yet. Only an operator
// brings that back.
func (j *judge) beyond() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lostConsul && len(j.lostDisk) > 0 || j.halfFormed
}
