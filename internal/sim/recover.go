package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/coordinator/recovery"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// RecoverFleet is an operator who runs `redfleet recover` until the records are there.
const RecoverFleet Kind = "recover"

// reoffer is how long an operator waits before he recovers from a Consul that was set
// back: until then what the agents offer there is what they kept when that snapshot was
// taken, and an agent finds out when it renews its session, 42 s later at most
// (docs/operations.md; seeds 6447 and 6942).
const reoffer = 45 * time.Second

// recoverFleet runs the command until Consul holds the fleet's records, for as long
// as the event says.
func (w *World) recoverFleet(e Event) {
	for again, until := 0, w.now()+e.For; w.now() < until && w.judge.ctx.Err() == nil; again++ {
		if done, _ := w.recoverOnce(nil); done {
			w.cover.fault(e.Kind)
			w.trace("fault", "%s", e)
			return
		}
		pause(w.judge.ctx, w.chance.between(time.Second, 3*time.Second, "recover", e.String(), fmt.Sprint(again)))
	}
}

// recoverAtLast is the operator after the last fault: a node that offers nothing for
// half a minute and has nothing to offer is left out by its name, and a record that is
// in the way is removed, as the command says.
func (w *World) recoverAtLast(ctx context.Context) {
	for again, began := 0, w.now(); w.now()-began < 90*time.Second && ctx.Err() == nil; again++ {
		var without []string
		if w.now()-began > 30*time.Second {
			without = w.judge.keepNothing()
		}
		if w.hasControl() {
			return
		}
		done, refused := w.recoverOnce(without)
		if done {
			return
		}
		if w.now()-began > 30*time.Second {
			w.remove(keys.Spec()) // one that was applied meanwhile says something else: it comes again later
			for _, why := range refused {
				if m := inTheWay.FindStringSubmatch(why); m != nil {
					w.remove(m[1])
				}
			}
		}
		pause(ctx, w.chance.between(time.Second, 3*time.Second, "recover at last", fmt.Sprint(again)))
	}
}

// inTheWay finds the record that a refusal wants removed: a recovery was cut, and Consul
// set back to the middle of it (seed 8531).
var inTheWay = regexp.MustCompile(`^Consul is not empty: (\S+) is there and .* remove it if it is not wanted$`)

// remove deletes a record as an operator does by hand.
func (w *World) remove(key string) {
	w.consul.ask(http.MethodPut, "/v1/txn", []byte(`[{"KV":{"Verb":"delete","Key":"`+key+`"}}]`))
}

func (w *World) hasControl() bool {
	return w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Control(), nil).Code == http.StatusOK
}

// recoverOnce looks, and writes where nothing speaks against it.
func (w *World) recoverOnce(without []string) (done bool, refused []string) {
	if at := w.judge.setBack(); at > 0 && w.now() < at+reoffer {
		w.note(operatorName, "waits before a recovery: Consul was just set back")
		return false, nil
	}
	ctx, cancel := context.WithTimeout(w.judge.ctx, time.Minute)
	defer cancel()
	p, client, err := w.command(ctx)
	if err != nil {
		w.fail("simulation", "%v", err)
		return false, nil
	}
	defer p.kill()
	defer client.Close()
	o := recovery.Options{Client: client, Fleet: fleetName, Key: w.key, Who: operatorName, Effects: effect.New(p.hook), Now: time.Now}
	found, err := recovery.Look(p.ctx, o)
	if len(found.Refused) > 0 && len(without) > 0 {
		o.Without = slices.DeleteFunc(slices.Clone(without), func(n string) bool { return !slices.Contains(found.Plan.Missing, n) })
		found, err = recovery.Look(p.ctx, o)
	}
	switch {
	case err != nil:
		w.trace(operatorName, "recover: %v", err)
		return false, nil
	case len(found.Refused) > 0:
		w.note(operatorName, "recover is refused: "+found.Refused[0])
		return false, found.Refused
	}
	err = recovery.Write(p.ctx, o, found)
	switch {
	case err == nil:
	case errors.Is(err, recovery.ErrLocked), errors.Is(err, recovery.ErrChanged), errors.Is(err, consul.ErrConflict), p.ctx.Err() != nil:
		w.trace(operatorName, "recover: %v", err)
		return false, nil
	default:
		w.trace(operatorName, "recover fails: %v", err)
		return false, nil
	}
	w.trace(operatorName, "recovered, without %v", o.Without)
	w.cover.rule("recovered")
	if len(o.Without) > 0 {
		w.cover.rule("recovered without a node")
	}
	return true, nil
}

// lostState is what Consul held when it lost all of it.
type lostState struct {
	control fleet.Control
	groups  map[string]fleet.Group
	secrets map[string]fleet.Secret
}

// forgets notes what Consul holds, before it loses it.
func (j *judge) forgets() {
	was := lostState{groups: map[string]fleet.Group{}, secrets: map[string]fleet.Secret{}}
	read(j.w, keys.Control(), &was.control)
	for _, name := range []string{"main", "more"} {
		var g fleet.Group
		if read(j.w, keys.Group(name), &g) {
			was.groups[name] = g
		}
		var s fleet.Secret
		if read(j.w, keys.Secret(name), &s) {
			was.secrets[name] = s
		}
	}
	if was.control.FleetID == "" {
		return // nothing was there, or not yet again
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before = &was
}

// read reads a record as it is in Consul.
func read(w *World, key string, into any) bool {
	rec := w.consul.ask(http.MethodGet, "/v1/kv/"+key+"?raw", nil)
	return rec.Code == http.StatusOK && json.Unmarshal(rec.Body.Bytes(), into) == nil
}

// rebuilds: an operator's transaction writes the control record, with which Consul is
// whole again. The records are compared then and not when his command ends: by that
// time a coordinator can have planned on (seed 433).
func rebuilds(p *process, ops []op) bool {
	return p.name == operatorName && slices.ContainsFunc(ops, func(o op) bool {
		return o.KV.Key == keys.Control() && !strings.HasPrefix(o.KV.Verb, "check")
	})
}

// recovered: the records are those that there were: fleet, groups, passwords and the
// goals that the nodes follow (one-election, resumable, hazard K8). From here on
// Consul counts as one that lost nothing.
func (j *judge) recovered() {
	var control fleet.Control
	read(j.w, keys.Control(), &control)
	j.mu.Lock()
	defer j.mu.Unlock()
	was := j.before
	if was == nil {
		j.w.fail("simulation", "what Consul had not held was recovered")
		return
	}
	if control.FleetID != was.control.FleetID {
		j.w.fail("one-election", "fleet %s was recovered as %s", was.control.FleetID, control.FleetID)
	}
	for node, epoch := range j.epochs {
		if control.Committed < epoch {
			j.w.fail("resumable", "recovered at epoch %d, and %s follows goal %d", control.Committed, node, epoch)
		}
	}
	for name, before := range was.groups {
		j.sameGroup(name, before, was.secrets[name])
	}
	for _, n := range j.w.nodes {
		var g fleet.Goal
		if !read(j.w, keys.Goal(n.name), &g) || j.duplicates[n.name] {
			continue // of two agents under one name the other one may have offered (hazard M4; seed 234)
		}
		b, _ := json.Marshal(g)
		last, keeps := j.epochs[n.name]
		if wrong := recoveredGoal(string(b), j.goals[n.name+" "+g.FleetID+" "+jsonNumber(g.Epoch)], g.Epoch, last, keeps); wrong != "" {
			j.w.fail("resumable", "the goal that was recovered for %s (epoch %d) %s", n.name, g.Epoch, wrong)
		}
	}
	for name := range j.acted {
		if _, held := was.groups[name]; !held {
			j.takenBack[name] = true
		}
	}
	j.lostConsul, j.halfFormed, j.recoveries = false, false, j.recoveries+1
	clear(j.lostDisk)
}

// unnamed: an older snapshot took a group out of Consul, before Consul lost all of it. A
// recovery brings back what there was right before the loss; status says of that group
// that only Consul's data brings it back, until it is applied again (seed 6391).
func (j *judge) unnamed(group string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	var g fleet.Group
	return j.takenBack[group] && !read(j.w, keys.Group(group), &g)
}

// recoveredGoal says what is wrong with a node's goal after a recovery; empty where
// nothing is. followed is the goal of that epoch as the node followed it. A node that
// keeps its state folder has the last one back. One whose disk went after it had
// offered what it kept has no last one to be held to: what it offered stands in Consul
// for as long as there is no control record, and its new agent, which never followed a
// goal, neither offers nor removes anything.
func recoveredGoal(recovered, followed string, epoch, last uint64, keeps bool) string {
	switch {
	case recovered != followed:
		return "is not one that it followed"
	case keeps && epoch != last:
		return "is not the last one that it followed, which is " + jsonNumber(last)
	}
	return ""
}

// sameGroup: a group that any node follows is back as it was, with its password.
func (j *judge) sameGroup(name string, before fleet.Group, secret fleet.Secret) {
	var now fleet.Group
	switch there := read(j.w, keys.Group(name), &now); {
	case !there && len(j.acted[name]) > 0:
		j.w.fail("one-election", "group %s was not recovered, and nodes follow its decision", name)
		return
	case !there:
		return // nobody was told of it
	case now.ID != before.ID:
		j.w.fail("one-election", "group %s was %s and is recovered as %s", name, before.ID, now.ID)
	}
	var s fleet.Secret
	if !read(j.w, keys.Secret(name), &s) || s.Sealed != secret.Sealed || s.Version != secret.Version {
		j.w.fail("secrets-stay-secret", "the sealed password of group %s is another one after it was recovered", name)
	}
}

// keepNothing are the nodes that have no goal to offer: their disks went, or they never
// followed one, as where a machine was off from before its group was decided until after
// Consul lost that decision (seed 5250).
func (j *judge) keepNothing() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, n := range j.w.nodes {
		if _, follows := j.epochs[n.name]; j.lostDisk[n.name] || !follows {
			out = append(out, n.name)
		}
	}
	slices.Sort(out)
	return out
}
