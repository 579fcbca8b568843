package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

const (
	// lookAlert: a failover of a group of this node was claimed, and this node may
	// have the new master any moment.
	lookAlert = 15 * time.Millisecond
	// alertFor is how long the agent looks that often, at most; a failover that was
	// asked for has reached every sentinel by then.
	alertFor = 5 * time.Second
	// vouchFor is how long a claim explains that a server is master before its own
	// sentinel says so; the asked sentinel sees the promotion within a second.
	vouchFor = 10 * time.Second
)

// claims are the groups' claims in Consul, as the watches saw them last. It is safe
// for several goroutines.
type claims struct {
	wake func()

	mu   sync.Mutex
	seen map[string]consul.Entry
	// stop ends the watch of a group.
	stop map[string]context.CancelFunc
	work sync.WaitGroup
}

func newClaims(wake func()) *claims {
	return &claims{wake: wake, seen: map[string]consul.Entry{}, stop: map[string]context.CancelFunc{}}
}

// follow watches the claims of these groups and of no others.
func (c *claims) follow(ctx context.Context, client *consul.Client, keys fleet.Keys, groups []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for group, stop := range c.stop {
		if !slices.Contains(groups, group) {
			stop()
			delete(c.stop, group)
			delete(c.seen, group)
		}
	}
	for _, group := range groups {
		if c.stop[group] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		c.stop[group] = cancel
		c.work.Go(func() {
			_ = client.WatchKey(ctx, keys.Claim(group), func(e consul.Entry, _ bool) { c.set(group, e) })
		})
	}
}

func (c *claims) set(group string, e consul.Entry) {
	c.mu.Lock()
	if c.stop[group] != nil {
		c.seen[group] = e
	}
	c.mu.Unlock()
	if e.Session != "" {
		c.wake()
	}
}

// inForce is the claim that a session holds on a group, with its entry.
func (c *claims) inForce(g fleet.InstanceGoal) (fleet.Claim, consul.Entry, bool) {
	c.mu.Lock()
	e := c.seen[g.Group]
	c.mu.Unlock()
	if e.Session == "" {
		return fleet.Claim{}, e, false
	}
	claim, err := records.Decode[fleet.Claim](e.Key, e.Value)
	return claim, e, err == nil && claim.GroupID == g.GroupID
}

// close ends the watches.
func (c *claims) close() {
	c.mu.Lock()
	for _, stop := range c.stop {
		stop()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// watched are the groups whose masters' ends this node may be told of by a claim.
func watched(goal fleet.Goal) []string {
	var groups []string
	for _, g := range goal.Instances {
		if g.Monitor != nil && g.Seed == nil && !slices.Contains(groups, g.Group) {
			groups = append(groups, g.Group)
		}
	}
	return groups
}

// succeeded is what a claim tells of a server of this node.
type succeeded struct {
	// claim is the last one that was taken note of.
	claim string
	// alert is until when to look often.
	alert time.Time
	// old is the master whose end explains that this server is one, until vouched.
	old     fleet.Addr
	vouched time.Time
}

// heedClaims takes note of claims on the node's groups, and gives the own one up
// once nothing more can come of it.
func (a *agent) heedClaims(ctx context.Context, seen map[fleet.InstanceID]observe.Seen) {
	a.claims.follow(ctx, a.client, a.keys, watched(*a.goal))
	for _, g := range a.goal.Instances {
		if g.Kind != fleet.KindRedis || g.Monitor == nil {
			continue
		}
		s := seen[g.ID]
		claim, entry, held := a.claims.inForce(g)
		if held && claim.Node != a.cfg.Node {
			a.heed(g, s, claim)
		}
		if s.Info != nil && s.Info.Role == fleet.RoleReplica {
			a.followed[g.ID] = s.Info.Master
		}
		if held && claim.Node == a.cfg.Node && entry.Session == a.pub.Session() && over(g, s) {
			a.release(ctx, g, entry)
		}
	}
}

// heed begins to look often, and notes when the server became master under the claim.
func (a *agent) heed(g fleet.InstanceGoal, s observe.Seen, claim fleet.Claim) {
	n := a.succeeded[g.ID]
	if n.claim != claim.ID {
		n = succeeded{claim: claim.ID, alert: a.now().Add(alertFor)}
		a.log.WithField("instance", g.ID).Infof("the agent of %s asks for a failover from %s", claim.Node, claim.Master)
	}
	if s.Info != nil && s.Info.Role == fleet.RoleMaster && a.followed[g.ID] == claim.Master && n.old == (fleet.Addr{}) {
		n.old, n.vouched = claim.Master, a.now().Add(vouchFor)
	}
	a.succeeded[g.ID] = n
}

// over: the sentinels name another master than this server, or its agent asks for
// nothing: there is no marker, and its process runs or waits for its start.
func over(g fleet.InstanceGoal, s observe.Seen) bool {
	if s.Facts.Problem != "" || s.Facts.Unit.State == "" {
		return false
	}
	elsewhere := 0
	for _, v := range s.Facts.Sentinels {
		if v.Answered && v.Names != g.Addr && v.Names != (fleet.Addr{}) && !fence.FailsOver(v) {
			elsewhere++
		}
	}
	return s.Facts.Memory.GaveUp == converge.GaveUp{} || elsewhere >= fleet.Majority(len(g.Sentinels))
}

// release gives this node's claim up; it is tried again with the next look.
func (a *agent) release(ctx context.Context, g fleet.InstanceGoal, e consul.Entry) {
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	if a.now().Before(a.releaseAt) {
		return
	}
	a.releaseAt = a.now().Add(retryFailed)
	if err := a.pub.Release(ctx, g.Group, e.Value); err != nil && ctx.Err() == nil {
		a.log.WithError(err).Warn("the claim on the group could not be given up; it is tried again")
	}
}

// vouchedFor: the claim of the agent beside the old master explains why the node's
// own sentinel does not name this server yet.
func (a *agent) vouchedFor(g fleet.InstanceGoal, named fleet.Addr) bool {
	n := a.succeeded[g.ID]
	return n.old != (fleet.Addr{}) && n.old == named && a.now().Before(n.vouched)
}

// alert: one of the node's servers may become master any moment.
func (a *agent) alert(seen map[fleet.InstanceID]observe.Seen) bool {
	for _, g := range a.goal.Instances {
		n := a.succeeded[g.ID]
		info := seen[g.ID].Info
		if a.now().Before(n.alert) && info != nil && info.Role == fleet.RoleReplica && info.Master == a.followed[g.ID] && !info.LinkUp {
			return true
		}
	}
	return false
}
