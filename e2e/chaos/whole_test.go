//go:build e2e

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/verdict"
)

// whole says what is not in order in the fleet; empty where everything is: every
// group has one master, its replicas in sync, all sentinels name it and none fails
// over, clients write, `redfleet verify` holds, and every server has all that was
// acknowledged until now (or it is recorded as lost).
func (r *run) whole(ctx context.Context, since time.Duration) string {
	objections := make([]string, len(r.groups))
	var all sync.WaitGroup
	for i, g := range r.groups {
		all.Go(func() { objections[i] = g.whole(ctx, r.Nodes, since) })
	}
	all.Wait()
	for i, why := range objections {
		if why != "" {
			return "group " + r.groups[i].name + ": " + why
		}
	}
	if why := r.verified(ctx); why != "" {
		return why
	}
	for _, g := range r.groups {
		if err := g.recorder.Look(ctx); err != nil {
			return "group " + g.name + ": " + err.Error()
		}
	}
	return ""
}

// verified is what `redfleet verify` finds wrong.
func (r *run) verified(ctx context.Context) string {
	n, err := r.asked()
	if err != nil {
		return err.Error()
	}
	result, err := r.redfleet(ctx, n, "verify", "-o", "json")
	if err != nil {
		return err.Error()
	}
	var v verdict.Verdict
	if err := json.Unmarshal([]byte(result.Stdout), &v); err != nil {
		return fmt.Sprintf("redfleet verify on %s: exit status %d: %s%s", n.Name, result.Code, result.Stdout, result.Stderr)
	}
	for _, c := range v.Failed() {
		return fmt.Sprintf("verify: group %s: check %s: seen %s", c.Group, c.Name, c.Seen)
	}
	if !v.OK || len(v.Checks) == 0 {
		return "verify says no, and names no check"
	}
	return ""
}

func (r *run) redfleet(ctx context.Context, n *machine.Node, args ...string) (machine.Result, error) {
	return n.Run(ctx, append([]string{"env", "REDFLEET_FLEET=e2e", "redfleet"}, args...)...)
}

// asked is a machine that runs.
func (r *run) asked() (*machine.Node, error) {
	for _, n := range r.Nodes {
		if n.On() {
			return n, nil
		}
	}
	return nil, errors.New("every machine is off")
}

// whole says what is not in order in one group, by its servers and sentinels alone.
func (w *watched) whole(ctx context.Context, nodes []*machine.Node, since time.Duration) string {
	master, why := w.oneMaster(ctx, nodes)
	if why != "" {
		return why
	}
	for i, s := range w.sentinels {
		seen, err := s.Master(ctx, w.name).Result()
		switch {
		case err != nil:
			return fmt.Sprintf("the sentinel of %s: %v", nodes[i].Name, err)
		case seen["ip"] != master.Address.String():
			return fmt.Sprintf("the sentinel of %s names %s, the master is %s", nodes[i].Name, seen["ip"], master.Name)
		case seen["flags"] != "master" || seen["num-slaves"] != "2" || seen["num-other-sentinels"] != "2":
			return fmt.Sprintf("the sentinel of %s: flags %s, %s replicas, %s peers", nodes[i].Name, seen["flags"], seen["num-slaves"], seen["num-other-sentinels"])
		}
	}
	if _, last := w.recorder.Acknowledged(); last <= since {
		return "no client has written since"
	}
	return ""
}

// oneMaster is the group's master, and why it has not one with two linked replicas.
func (w *watched) oneMaster(ctx context.Context, nodes []*machine.Node) (*machine.Node, string) {
	var master *machine.Node
	following := map[string]string{}
	for i, s := range w.servers {
		role, err := s.Do(ctx, "ROLE").Slice()
		switch {
		case err != nil:
			return nil, fmt.Sprintf("the server of %s: %v", nodes[i].Name, err)
		case role[0] == "master" && master != nil:
			return nil, fmt.Sprintf("%s and %s are masters", master.Name, nodes[i].Name)
		case role[0] == "master":
			master = nodes[i]
		case len(role) < 4 || role[3] != "connected":
			return nil, fmt.Sprintf("%s has no link to its master: %v", nodes[i].Name, role)
		default:
			following[nodes[i].Name] = fmt.Sprint(role[1])
		}
	}
	if master == nil {
		return nil, "there is no master"
	}
	for name, address := range following {
		if address != master.Address.String() {
			return nil, fmt.Sprintf("%s follows %s, and the master is %s", name, address, master.Name)
		}
	}
	return master, ""
}
