// Package bugs holds bugs that are put back on purpose, to show that the simulation
// finds them. A bug is an edit of the product's source that the Go command takes from
// an overlay (go build -overlay): there is no switch for it in the product.
package bugs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Edit replaces one text of a file; the text must be there exactly once.
type Edit struct {
	// File is relative to the module's root.
	File, Old, New string
}

// Bug is one of them.
type Bug struct {
	// Name says what is wrong; Breaks names the promises that it can break.
	Name, Breaks string
	// With, where set, begins the name of the fault that brings the bug out: of the
	// seeds those are run whose schedules have one.
	With  string
	Edits []Edit
}

// All are all of them.
func All() []Bug {
	return []Bug{
		{"the lease is not checked in the transaction", "fenced-leader", "", []Edit{
			{"internal/consul/held.go", "append([]Op{guard}, ops...)...)", "append([]Op{}, ops...)...)\n\t_ = guard"},
			{"internal/consul/held.go", "return entries[1:], nil", "return entries, nil"},
		}},
		{"the fence is skipped: a server starts as what it was", "no-empty-master, data-wins", "", []Edit{
			{"agent/fence/fence.go", "\tif c.Topology == fleet.Replication {\n\t\treturn decideReplication(c)", "\tif true {\n\t\treturn start(\"as-it-was\", c.Self.Follows, \"the fence is skipped\")\n\t}\n\tif c.Topology == fleet.Replication {\n\t\treturn decideReplication(c)"},
		}},
		{"an agent follows an older goal", "resumable", "", []Edit{
			{"agent/state/accept.go", "case g.Epoch < n.Epoch:", "case g.Epoch < n.Epoch && false:"},
		}},
		{"a file is rendered anew instead of merged", "sentinel-state-kept", "", []Edit{
			{"agent/apply/start.go", "merged, _ := redisconf.Merge(onDisk, fresh, owned)", "merged, _ := redisconf.Merge(nil, fresh, owned)"},
		}},
		{"an agent logs the password", "secrets-stay-secret", "", []Edit{
			{"agent/goal.go", "\ta.passwords[g.GroupID] = opened{password: p, version: version}\n", "\ta.passwords[g.GroupID] = opened{password: p, version: version}\n\ta.log.Info(\"opened \" + p.Reveal())\n"},
		}},
		{"a plan does not go above the epochs in the reports", "resumable", "consul-rollback", []Edit{
			{"coordinator/plan/goals.go", "highest = max(highest, r.Report.Epoch)", "_ = r.Report.Epoch"},
		}},
		{"a Consul that was rebuilt is taken for a new fleet, by plan, election and agents", "one-election", "consul-loss", []Edit{
			{"coordinator/plan/plan.go", "if reason := strange(w); reason != \"\" {", "if reason := strange(w); reason != \"\" && false {"},
			{"agent/state/accept.go", "case n.FleetID != \"\" && control.FleetID != n.FleetID:", "case n.FleetID != \"\" && control.FleetID != n.FleetID && false:"},
			{"coordinator/elect/stop.go", "	if len(carriers) == 0 {", "	if len(carriers) >= 0 {"},
		}},
		{"a step that failed is not tried again", "resumable", "read-only", []Edit{
			{"agent/loop.go", "until: a.now().Add(retryFailed)", "until: a.now().Add(1000 * 3600 * retryFailed)"},
		}},
		{"a session that was lost is not made anew", "resumable", "expire-agent-session", []Edit{
			{"agent/publish/report.go", "\tif !found || e.Session != p.session {\n\t\tp.forgetSession()\n", "\tif !found || e.Session != p.session {\n"},
			{"agent/publish/publish.go", "errors.Is(err, consul.ErrSessionGone):\n\t\tp.forgetSession()\n", "errors.Is(err, consul.ErrSessionGone):\n"},
		}},
		{"a node is taken out while it is the master", "one-at-a-time", "node-re", []Edit{
			{"coordinator/request/plan.go", "\t\tp.Moves = append(p.Moves, name)\n", ""},
		}},
		{"what was lost is rebuilt at epoch 0", "resumable", "recover", []Edit{
			{"coordinator/rebuild/rebuild.go", "p.Control.Committed = max(p.Control.Committed, o.Epoch, o.Goal.Epoch)", "_ = o.Epoch"},
			{"coordinator/rebuild/rebuild.go", "p.Control.Committed = max(p.Control.Committed, r.Report.Epoch)", "_ = r.Report.Epoch"},
		}},
		{"a master starts again while the failover that its agent asked for is under way", "two-masters", "kill-and-restart", []Edit{
			{"agent/fence/fence.go", "return gaveUp(c, decideSentinel(c))", "return decideSentinel(c)"},
			{"agent/fence/sentinel.go", "\tif v, ok := switching(c.Sentinels); ok {\n\t\treturn hold(", "\tif v, ok := switching(c.Sentinels); ok && false {\n\t\treturn hold("},
			{"agent/fence/sentinel.go", "if node, replica, ok := promotable(c.Sentinels, need); ok {", "if node, replica, ok := promotable(c.Sentinels, need); ok && false {"},
			{"agent/fence/sentinel.go", "if other, ok := replicaAnswers(c); ok && c.DownFor < c.DownAfter+settleMargin {", "if other, ok := replicaAnswers(c); ok && false {"},
		}},
		{"an empty server is not held while others hold data", "no-empty-master", "lose-disk", []Edit{
			{"agent/fence/sentinel.go", "func lostData(c Case) (Decision, bool) {\n", "func lostData(c Case) (Decision, bool) {\n\tif true {\n\t\treturn Decision{}, false\n\t}\n"},
		}},
		{"the election overwrites, and is repeated without a look after a lost answer", "one-election", "consul-answers-lost", []Edit{
			{"coordinator/write.go", "consul.Create(t.keys.Group(g.Name), b), consul.Create(t.keys.Secret(g.Name), sealed)", "consul.Set(t.keys.Group(g.Name), b), consul.Set(t.keys.Secret(g.Name), sealed)"},
			{"coordinator/write.go", "ops = append(ops, consul.Create(t.keys.Control(), b))", "ops = append(ops, consul.Set(t.keys.Control(), b))"},
			{"coordinator/lead.go", "t.doubt, wait = true, retryGap", "wait = retryGap"},
		}},
	}
}

// Overlay writes the edited files and the overlay for the Go command into dir, and
// gives the overlay's path.
func (b Bug) Overlay(root, dir string) (string, error) {
	texts := map[string]string{}
	for _, e := range b.Edits {
		path := filepath.Join(root, e.File)
		text, known := texts[path]
		if !known {
			raw, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return "", fmt.Errorf("bug %q: the text %q is %d times in %s, want once: write the edit anew for the code as it is", b.Name, e.Old, n, e.File)
		}
		texts[path] = strings.Replace(text, e.Old, e.New, 1)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range texts {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay.Replace)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[path] = to
	}
	raw, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	at := filepath.Join(dir, "overlay.json")
	return at, os.WriteFile(at, raw, 0o600)
}
