package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/coordinator/switchover"
	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/secret"
	pure "github.com/redfleet/redfleet/internal/switchover"
	"github.com/redfleet/redfleet/internal/verdict"
)

// Look judges whether the drill may begin. It changes nothing.
func Look(ctx context.Context, o Options) (Finding, error) {
	w, err := records.LoadWorld(ctx, o.Client, o.Fleet, time.Now(), true)
	if err != nil {
		return Finding{}, err
	}
	t, found := drill.TargetOf(w, o.Fleet, o.Group, o.Kind)
	if !found {
		return Finding{}, fmt.Errorf("%w: group %q has no sentinels, or no server runs yet; there is nobody to take over; see: redfleet status", ErrRefused, o.Group)
	}
	password, err := openSecret(ctx, o)
	if err != nil {
		return Finding{}, err
	}
	facts := drill.Facts{Verdict: verdict.New(w, assess.Fleet(w), o.Group), Sentinels: sentinels(ctx, t, password, true)}
	for _, r := range drill.InTheWay(o.Kind, request.Open(w)) {
		facts.OpenRequests = append(facts.OpenRequests, request.InWords(r))
	}
	claim, _, err := o.Client.Get(ctx, fleet.KeysOf(o.Fleet).Claim(o.Group))
	if err != nil {
		return Finding{}, err
	}
	if claim.Session != "" {
		facts.Claim = "an agent holds the claim on the group, since it saw the master crash"
	}
	return Finding{Target: t, Judgement: drill.Judge(t, facts, o.Force)}, nil
}

// Refused is nil where nothing stands against the drill.
func (f Finding) Refused() error {
	var lines []string
	for _, r := range f.Judgement.Refused() {
		line := fmt.Sprintf("%s: %s", r.Name, r.Why)
		if drill.Forceable(r.Name) {
			line += " (--force " + r.Name + " goes on all the same)"
		}
		lines = append(lines, line)
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("%w, group %q is not fit for it:\n  %s", ErrRefused, f.Target.Group, strings.Join(lines, "\n  "))
}

// Elsewhere is an error where the master is not on a node; that is empty for any.
func (f Finding) Elsewhere(from string) error {
	if from == "" || f.Master.Node == from {
		return nil
	}
	return fmt.Errorf("%w: %w: the master of group %q is on %s, and not on %s", ErrRefused, ErrElsewhere, f.Target.Group, f.Master.Node, from)
}

// Has: a server of the group is on a node.
func (f Finding) Has(node string) bool {
	return slices.ContainsFunc(f.Target.Servers, func(m fleet.Member) bool { return m.Node == node })
}

// sentinels asks each sentinel of the group at the same time.
func sentinels(ctx context.Context, t drill.Target, password secret.Password, quorum bool) []pure.Sentinel {
	out := make([]pure.Sentinel, len(t.Sentinels))
	var all sync.WaitGroup
	for i, m := range t.Sentinels {
		all.Go(func() {
			out[i] = pure.Sentinel{Member: m}
			c := switchover.DialSentinel(t, m.Addr, password)
			defer func() { _ = c.Close() }()
			v, err := c.Observe(ctx, t.MasterName, quorum)
			if err != nil {
				out[i].Error = err.Error()
				return
			}
			out[i].Report = v.Report
		})
	}
	all.Wait()
	return out
}

// openSecret reads the group's sealed password and opens it with the fleet's key.
func openSecret(ctx context.Context, o Options) (secret.Password, error) {
	at := fleet.KeysOf(o.Fleet).Secret(o.Group)
	entry, found, err := o.Client.Get(ctx, at)
	if err != nil {
		return secret.Password{}, fmt.Errorf("reading the secret of group %q: %w", o.Group, err)
	}
	if !found {
		return secret.Password{}, fmt.Errorf("%w: group %q has no password yet; see: redfleet status", ErrRefused, o.Group)
	}
	rec, err := records.Decode[fleet.Secret](at, entry.Value)
	if err != nil {
		return secret.Password{}, err
	}
	password, err := o.Key.Open(rec.Sealed, rec.Recipient)
	if err != nil {
		return secret.Password{}, fmt.Errorf("the password of group %q: %w", o.Group, err)
	}
	return password, nil
}
