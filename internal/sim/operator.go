package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	requests "github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

// What operators do with the nodes of a fleet that serves.
const (
	RemoveNode  Kind = "node-remove"
	ReplaceNode Kind = "node-replace"
)

// asked are the events that are an operator's, who tries again while he is refused.
var asked = []Kind{RemoveNode, ReplaceNode}

// operatorName is the process of an operator's command.
const operatorName = "operator"

// command gives a process for one command, with a client of its own.
func (w *World) command(ctx context.Context) (*process, *consul.Client, error) {
	p := w.process(ctx, operatorName, clientHost)
	client, err := consul.New(consul.Options{Transport: p, Jitter: p.jitter})
	return p, client, err
}

// operate has an operator run `redfleet node remove` until it is not refused, for as
// long as the event says.
func (w *World) operate(e Event) {
	node := w.nodeOf(e, nil).name
	for again, until := 0, w.now()+e.For; w.now() < until && w.judge.ctx.Err() == nil; again++ {
		why, err := w.nodeRemove(node, e.with())
		switch {
		case err != nil:
			w.trace(operatorName, "%s: %v", e, err)
		case why == "":
			w.cover.fault(e.Kind)
			w.cover.rule("node remove: asked for")
			w.trace("fault", "%s", e)
			return
		default:
			w.cover.rule("node remove refused: " + class(why))
			w.trace(operatorName, "%s of %s is refused: %s", e.Kind, node, why)
		}
		pause(w.judge.ctx, w.chance.between(time.Second, 2*time.Second, "operator", e.String(), fmt.Sprint(again)))
	}
}

func (e Event) with() string {
	if e.Kind == ReplaceNode {
		return e.Other
	}
	return ""
}

// nodeRemove is the command: it shows what would change, which says why not, and
// writes request and spec together.
func (w *World) nodeRemove(node, with string) (refused string, err error) {
	ctx, cancel := context.WithTimeout(w.judge.ctx, 10*time.Second)
	defer cancel()
	p, client, err := w.command(ctx)
	if err != nil {
		return "", err
	}
	defer p.kill()
	defer client.Close()
	spec, found, err := client.Get(ctx, keys.Spec())
	if err != nil || !found {
		return "there is no spec", err
	}
	now, err := records.LoadWorld(ctx, client, fleetName, time.Now(), false)
	switch {
	case err != nil:
		return "", err
	case len(now.Problems) > 0:
		return fmt.Sprint("records: ", now.Problems), nil
	}
	plan := requests.Replace(now, node, with)
	if all := plan.Objections(); len(all) > 0 { // without --failover the command refuses a master
		return strings.Join(all, "; "), nil
	}
	if slices.ContainsFunc(requests.Open(now), func(r fleet.Request) bool { return r.Phase == fleet.RequestMade }) {
		return "another request has not begun", nil
	}
	id, err := ulid.New(ulid.Timestamp(time.Now()), &p.stream)
	if err != nil {
		return "", err
	}
	made, err := records.Encode(requests.Made(id.String(), operatorName, time.Now(), plan))
	if err != nil {
		return "", err
	}
	next, err := records.Encode(requests.NewSpec(*now.Spec, plan))
	if err != nil {
		return "", err
	}
	_, err = client.Txn(ctx, consul.CAS(keys.Spec(), next, spec.Index), consul.Create(keys.Request(id.String()), made))
	if errors.Is(err, consul.ErrConflict) {
		return "the spec was changed just now", nil
	}
	return "", err
}

// class is a refusal without what differs from one to the next.
func class(why string) string {
	for _, words := range []string{
		"still forming", "no data", "no server is its master", "is its master", "must agree on a failover", "is in it already", "holds a folder",
		"no usable", "no agent reports", "knows anything of it", "has not begun", "changed just now", "there is no spec",
	} {
		if strings.Contains(why, words) {
			return words
		}
	}
	return "other"
}
