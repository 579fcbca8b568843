package assess

import (
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The checks by name, in the order of the table that `redfleet verify` prints.
const (
	CheckReports          = "reports"
	CheckInstances        = "instances"
	CheckRoles            = "roles"
	CheckLinks            = "links"
	CheckOffsets          = "offsets"
	CheckLineage          = "lineage"
	CheckConfigRewrite    = "config-rewrite"
	CheckCredentials      = "credentials"
	CheckPeerAuth         = "peer-auth"
	CheckReadOnly         = "read-only"
	CheckWritePath        = "write-path"
	CheckWritable         = "writable"
	CheckPersistence      = "persistence"
	CheckServices         = "services"
	CheckDrift            = "drift"
	CheckSentinelMaster   = "sentinel-master"
	CheckSentinelPeers    = "sentinel-peers"
	CheckSentinelReplicas = "sentinel-replicas"
	CheckSentinelReach    = "sentinel-reach"
	CheckQuorum           = "quorum"
	CheckMajority         = "majority"
	CheckPromotable       = "promotable"
	CheckSpread           = "spread"
	CheckFailover         = "failover"
)

// test is one check: what it wants, in words, and how it looks. A look judges
// only instances that are up, so that one that is down is named once, by
// "instances", and not by every other check too.
type test struct {
	name string
	look func(v *view, f *finding)
	// needs is the kind of instance of which one at least must be up: a check
	// that finds nothing to look at has shown nothing.
	needs fleet.Kind
	// sentinel: only for a group with sentinels.
	sentinel bool
}

// tests are all checks in their order.
func tests() []test {
	return []test{
		{name: CheckReports, look: (*view).checkReports},
		{name: CheckInstances, look: (*view).checkInstances},
		{name: CheckRoles, look: (*view).checkRoles, needs: fleet.KindRedis},
		{name: CheckLinks, look: (*view).checkLinks, needs: fleet.KindRedis},
		{name: CheckOffsets, look: (*view).checkOffsets, needs: fleet.KindRedis},
		{name: CheckLineage, look: (*view).checkLineage, needs: fleet.KindRedis},
		{name: CheckConfigRewrite, look: (*view).checkConfigRewrite, needs: fleet.KindRedis},
		{name: CheckCredentials, look: (*view).checkCredentials, needs: fleet.KindRedis},
		{name: CheckPeerAuth, look: (*view).checkPeerAuth, needs: fleet.KindRedis},
		{name: CheckReadOnly, look: (*view).checkReadOnly, needs: fleet.KindRedis},
		{name: CheckWritePath, look: (*view).checkWritePath},
		{name: CheckWritable, look: (*view).checkWritable, needs: fleet.KindRedis},
		{name: CheckPersistence, look: (*view).checkPersistence, needs: fleet.KindRedis},
		{name: CheckServices, look: (*view).checkServices},
		{name: CheckDrift, look: (*view).checkDrift, needs: fleet.KindRedis},
		{name: CheckSentinelMaster, look: (*view).checkSentinelMaster, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckSentinelPeers, look: (*view).checkSentinelPeers, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckSentinelReplicas, look: (*view).checkSentinelReplicas, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckSentinelReach, look: (*view).checkSentinelReach, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckQuorum, look: (*view).checkQuorum, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckMajority, look: (*view).checkMajority, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckPromotable, look: (*view).checkPromotable, needs: fleet.KindSentinel, sentinel: true},
		{name: CheckSpread, look: (*view).checkSpread, needs: fleet.KindRedis},
		{name: CheckFailover, look: (*view).checkFailover, needs: fleet.KindSentinel, sentinel: true},
	}
}

// CheckNames are the names of the checks of a topology, in order.
func CheckNames(topology fleet.Topology) []string {
	var out []string
	for _, t := range tests() {
		if !t.sentinel || topology == fleet.Sentinel {
			out = append(out, t.name)
		}
	}
	return out
}

// check runs all checks of the group.
func (v *view) check() []fleet.Check {
	var out []fleet.Check
	for _, t := range tests() {
		if t.sentinel && v.g.Topology != fleet.Sentinel || t.name == CheckServices && v.w.Services == nil {
			continue
		}
		f := &finding{now: v.w.Now}
		t.look(v, f)
		v.lookedAtNothing(t.needs, f)
		out = append(out, f.check(t.name, v.g.Name))
	}
	return out
}

// lookedAtNothing fails a check that had nothing to look at.
func (v *view) lookedAtNothing(needs fleet.Kind, f *finding) {
	switch {
	case len(f.bad) > 0:
	case needs == fleet.KindRedis && len(live(v.servers)) == 0:
		f.fail("no server runs")
	case needs == fleet.KindSentinel && len(live(v.sentinels)) == 0:
		f.fail("no sentinel runs")
	}
}

// finding collects what one check sees.
type finding struct {
	now    time.Time
	oldest time.Duration
	bad    []string
	// seen is said when nothing is bad, want always.
	seen, want string
}

// rest notes that the check rests on these instances' reports.
func (f *finding) rest(members ...*member) {
	for _, m := range members {
		if m.found && m.rec.Problem == "" {
			f.oldest = max(f.oldest, f.now.Sub(m.at))
		}
	}
}

// fail adds one thing that is not as it should be.
func (f *finding) fail(parts ...string) { f.bad = append(f.bad, strings.Join(parts, " ")) }

func (f *finding) check(name, group string) fleet.Check {
	c := fleet.Check{
		Name: name, Group: group, OK: len(f.bad) == 0, Seen: f.seen, Want: f.want,
		AgeS: f.oldest.Round(time.Millisecond).Seconds(),
	}
	if !c.OK {
		c.Seen = strings.Join(f.bad, "; ")
	}
	return c
}
