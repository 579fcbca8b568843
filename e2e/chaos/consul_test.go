//go:build e2e

package chaos

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/history"
)

// tagsLimit is how soon after Consul is back its tags must name the right master.
const tagsLimit = 5 * time.Second

// antiEntropy is how long services may be missing in a restored catalog that had none:
// each Consul agent compares its own with the catalog each one to two minutes.
const antiEntropy = 150 * time.Second

func consulKinds() []kind {
	return []kind{
		{"consul leader gone", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.consulLeader(ctx)
			return r.consulStopped([]*machine.Node{n}, 5*time.Second, nil, harmless), err
		}},
		{"consul gone and master killed", always, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.masterPlaces(ctx)
			return r.consulStopped(r.Nodes, consulGone(), places, crash), err
		}},
		{"consul restored", longOnly, func(_ context.Context, r *run) (*fault, error) {
			return &fault{target: "to when the groups formed", claim: harmless, heal: nothing, hold: 3 * time.Second, within: antiEntropy,
				start: func(ctx context.Context) error { return r.restore(ctx) }}, nil
		}},
	}
}

// consulStopped stops Consul on machines for a time, and kills processes meanwhile.
// With Consul back the tags must be right soon, and no agent may have gone back to an
// older goal.
func (r *run) consulStopped(nodes []*machine.Node, hold time.Duration, killed []place, claim func(group) history.Claim) *fault {
	f := &fault{target: nodeNames(nodes), hold: hold, claim: claim, touches: touchesOf(killed)}
	if len(killed) > 0 {
		f.target = namesOf(killed)
	}
	for _, n := range nodes {
		f.touches = append(f.touches, history.Touch{Node: n.Name, Unit: consulUnit})
	}
	var epoch uint64
	f.start = func(ctx context.Context) (err error) {
		if epoch, err = r.committed(ctx); err != nil {
			return err
		}
		// Killed, so that it is gone: a Consul server (1.20.1) that is asked to end was
		// seen to go on without a leader until systemd killed it 90 s later.
		gone := "systemctl kill --kill-who=all --signal=KILL " + consulUnit + "; systemctl stop " + consulUnit
		if err := each(nodes, func(n *machine.Node) error { return shell(ctx, n, gone) }); err != nil {
			return err
		}
		return signalAll(ctx, killed, "KILL")
	}
	f.heal = func(ctx context.Context) error {
		err := each(nodes, func(n *machine.Node) error {
			if err := do(ctx, n, "systemctl", "start", consulUnit); err != nil {
				return err
			}
			_, err := n.WaitConsulLeader(ctx)
			return err
		})
		if err != nil {
			return err
		}
		// Until the servers agree on a master there is none to name: Sentinel's second try
		// at a failover comes later than the limit.
		for _, g := range r.groups {
			if why := r.await(ctx, wholeLimit, func() string { _, why := g.oneMaster(ctx, r.Nodes); return why }); why != "" {
				return fmt.Errorf("group %s: %s", g.name, why)
			}
		}
		back := time.Now()
		if why := r.await(ctx, tagsLimit, func() string { return r.tagsObjection(ctx) }); why != "" {
			return fmt.Errorf("%s after Consul is back its tags are not right: %s", tagsLimit, why)
		}
		f.seen = append(f.seen, fmt.Sprintf("tags right %.1f s after Consul had a leader again and each group a master", time.Since(back).Seconds()))
		return nil
	}
	f.after = func(ctx context.Context) []string {
		now, err := r.committed(ctx)
		if err != nil {
			return []string{err.Error()}
		}
		if now != epoch {
			return []string{fmt.Sprintf("the committed epoch was %d and is %d: goals were written anew", epoch, now)}
		}
		return nil
	}
	return f
}

// consulLeader is the machine whose Consul leads.
func (r *run) consulLeader(ctx context.Context) (*machine.Node, error) {
	leader, err := r.Nodes[0].WaitConsulLeader(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range r.Nodes {
		if strings.HasPrefix(leader, n.Address.String()+":") {
			return n, nil
		}
	}
	return nil, fmt.Errorf("Consul's leader %s is no machine of the fleet", leader)
}

// committed is the epoch of the last committed plan.
func (r *run) committed(ctx context.Context) (uint64, error) {
	text, err := r.Consul(ctx, r.Nodes[0], http.MethodGet, "/v1/kv/"+fleet.KeysOf("e2e").Control(), nil)
	if err != nil {
		return 0, err
	}
	var found []struct{ Value string }
	if err := json.Unmarshal(text, &found); err != nil || len(found) != 1 {
		return 0, fmt.Errorf("the control record: %w: %s", err, text)
	}
	value, err := base64.StdEncoding.DecodeString(found[0].Value)
	if err != nil {
		return 0, err
	}
	var control struct {
		Committed uint64 `json:"committed"`
	}
	if err := json.Unmarshal(value, &control); err != nil || control.Committed == 0 {
		return 0, fmt.Errorf("the control record has no committed epoch: %w: %s", err, value)
	}
	return control.Committed, nil
}

// tagsObjection says which service's tags do not name the master that the servers
// agree on, and it alone, as passing.
func (r *run) tagsObjection(ctx context.Context) string {
	for _, g := range r.groups {
		master, why := g.oneMaster(ctx, r.Nodes)
		if why != "" {
			return "group " + g.name + ": " + why
		}
		text, err := r.Consul(ctx, r.Nodes[0], http.MethodGet, "/v1/health/service/e2e-"+g.name+"?tag=master&passing=1", nil)
		if err != nil {
			return err.Error()
		}
		var entries []struct{ Service struct{ Address string } }
		if err := json.Unmarshal(text, &entries); err != nil {
			return err.Error()
		}
		if len(entries) != 1 || entries[0].Service.Address != master.Address.String() {
			return fmt.Sprintf("group %s: the master is %s (%s), Consul's tag is on %+v", g.name, master.Name, master.Address, entries)
		}
	}
	return ""
}

// takeSnapshot keeps Consul's state for restore: as soon as the first goals count, so
// while the groups form.
func (r *run) takeSnapshot(ctx context.Context) {
	why := r.await(ctx, bringUpLimit, func() string {
		var err error
		if r.snapshotEpoch, err = r.committed(ctx); err == nil {
			r.snapshot, err = r.Consul(ctx, r.Nodes[0], http.MethodGet, "/v1/snapshot", nil)
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})
	if why != "" {
		r.t.Fatalf("no snapshot of Consul: %s", why)
	}
}

// restore puts Consul back to the snapshot.
func (r *run) restore(ctx context.Context) error {
	_, err := r.Consul(ctx, r.Nodes[0], http.MethodPut, "/v1/snapshot", r.snapshot)
	return err
}
