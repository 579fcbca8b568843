package sim

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

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

// sessionOf is who holds a key.
func (c *consulModel) sessionOf(key string) string {
	rec := c.ask(http.MethodGet, "/v1/kv/"+key, nil)
	var pairs []struct{ Session string }
	if json.Unmarshal(rec.Body.Bytes(), &pairs) != nil || len(pairs) == 0 {
		return ""
	}
	return pairs[0].Session
}
