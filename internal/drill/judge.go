package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/switchover"
	"github.com/redfleet/redfleet/internal/verdict"
)

// Facts are what a drill is judged by.
type Facts struct {
	Verdict   verdict.Verdict
	Sentinels []switchover.Sentinel
	// OpenRequests are operators' requests that are not done.
	OpenRequests []string
	// Claim says that an agent holds the claim on the group, to fail it over on
	// evidence; empty where none does.
	Claim string
}

// The names of the reasons against a drill beside the checks of redfleet verify.
const (
	ReasonMajority = "majority"
	ReasonTilt     = "tilt"
	ReasonReplica  = "replica"
	ReasonRequest  = "request"
	ReasonClaim    = "claim"
	ReasonMaster   = "master"
	ReasonHold     = "hold"
)

// Refusal is one reason against a drill.
type Refusal struct {
	Name string `json:"name"`
	Why  string `json:"why"`
	// Forced: the operator named it, and the drill goes on in spite of it.
	Forced bool `json:"forced,omitempty"`
}

// Judgement says whether a drill may begin.
type Judgement struct {
	// Master is who the sentinels agree on.
	Master fleet.Member
	// Ask is the one sentinel that a failover is asked of (hazard S18).
	Ask      fleet.Member
	Refusals []Refusal
}

// Refused are the refusals that nobody forced.
func (j Judgement) Refused() []Refusal {
	return slices.DeleteFunc(slices.Clone(j.Refusals), func(r Refusal) bool { return r.Forced })
}

// Forceable tells which refusals an operator may pass over: a failed check of
// redfleet verify. Without a majority, a master, and a replica to promote nothing
// takes over; nobody may be asked for a failover in TILT (hazard S16), and none may be
// planned whose writes cannot be held (S13).
func Forceable(name string) bool {
	return !slices.Contains([]string{ReasonMajority, ReasonTilt, ReasonReplica, ReasonRequest, ReasonClaim, ReasonMaster, ReasonHold}, name)
}

// Judge holds the facts against what a drill needs: each check good, most of the
// sentinels answering and of one view, none of these in TILT, and a replica that
// the asked one could promote (hazards S6, S16, S18).
func Judge(t Target, f Facts, force []string) Judgement {
	var j Judgement
	refuse := func(name, format string, args ...any) {
		j.Refusals = append(j.Refusals, Refusal{Name: name, Why: fmt.Sprintf(format, args...),
			Forced: Forceable(name) && slices.Contains(force, name)})
	}
	for _, c := range f.Verdict.Failed() {
		refuse(c.Name, "%s; wanted: %s", c.Seen, c.Want)
	}
	if len(f.OpenRequests) > 0 {
		refuse(ReasonRequest, "not done yet: %s", strings.Join(f.OpenRequests, ", "))
	}
	if f.Claim != "" {
		refuse(ReasonClaim, "%s; two that ask for a failover make two masters (hazard S18)", f.Claim)
	}
	if t.Kind == Failover && t.DownAfter < switchover.ShortestDownAfter {
		refuse(ReasonHold, "down_after is %s; below %s the master's writes cannot be held for as long as Sentinel's failover takes (hazard S13)",
			t.DownAfter, switchover.ShortestDownAfter)
	}
	agreeing := largest(f.Sentinels)
	if len(agreeing) < t.Majority() {
		refuse(ReasonMajority, "%d of %d sentinels answer, see the master well and agree on it, %d are needed: %s",
			len(agreeing), len(t.Sentinels), t.Majority(), views(f.Sentinels))
		return j
	}
	if tilted := inTilt(agreeing); len(tilted) > 0 {
		refuse(ReasonTilt, "the sentinel on %s has stopped to judge for 30 s from its last stall; wait for that", strings.Join(tilted, ", "))
	}
	master := agreeing[0].Report.Master
	j.Master = fleet.Member{Node: t.NodeOf(master), Addr: master}
	if j.Master.Node == "" {
		refuse(ReasonMaster, "the sentinels name %s, which is no server of the group's", master)
	}
	i := slices.IndexFunc(agreeing, canPromote)
	if i < 0 {
		refuse(ReasonReplica, "no sentinel sees a replica that it could promote")
		return j
	}
	j.Ask = agreeing[i].Member
	return j
}

// InTheWay are the open requests of operators that speak against a drill. One that has
// not begun may wait for just a failover: a node that leaves must not be the master.
func InTheWay(kind Kind, open []fleet.Request) (out []fleet.Request) {
	for _, r := range open {
		if kind != Failover || r.Phase != fleet.RequestMade {
			out = append(out, r)
		}
	}
	return out
}

// largest is the largest set of sentinels that answered, see their master well and
// name the same one.
func largest(all []switchover.Sentinel) (best []switchover.Sentinel) {
	byMaster := map[fleet.Addr][]switchover.Sentinel{}
	for _, s := range all {
		if s.Error != "" || s.Report.Master == (fleet.Addr{}) || s.Report.MasterFlags != "master" {
			continue
		}
		same := append(byMaster[s.Report.Master], s)
		byMaster[s.Report.Master] = same
		if len(same) > len(best) {
			best = same
		}
	}
	return best
}

func views(all []switchover.Sentinel) string {
	var out []string
	for _, s := range all {
		switch {
		case s.Error != "":
			out = append(out, s.Node+" does not answer ("+s.Error+")")
		default:
			out = append(out, fmt.Sprintf("%s names %s (%s)", s.Node, s.Report.Master, s.Report.MasterFlags))
		}
	}
	return strings.Join(out, "; ")
}

func inTilt(all []switchover.Sentinel) (nodes []string) {
	for _, s := range all {
		if s.Report.Tilt {
			nodes = append(nodes, s.Node)
		}
	}
	return nodes
}

// canPromote: it is out of TILT, its own look at quorum and majority is good, and it
// has a replica to choose, which CKQUORUM alone does not say (hazard S6).
func canPromote(s switchover.Sentinel) bool {
	return !s.Report.Tilt && s.Report.CKQuorum == "" &&
		slices.ContainsFunc(s.Report.Replicas, func(r fleet.SeenInstance) bool {
			return r.Promotable && !strings.Contains(r.Flags, "down") && !strings.Contains(r.Flags, "disconnected")
		})
}

// NewMaster is the master that most of the group's sentinels name now; false where
// none has that many. A sentinel in TILT counts: it says what it knows.
func NewMaster(t Target, all []switchover.Sentinel) (fleet.Addr, bool) {
	count := map[fleet.Addr]int{}
	for _, s := range all {
		if s.Error == "" && s.Report.Master != (fleet.Addr{}) {
			count[s.Report.Master]++
			if count[s.Report.Master] >= t.Majority() {
				return s.Report.Master, true
			}
		}
	}
	return fleet.Addr{}, false
}
