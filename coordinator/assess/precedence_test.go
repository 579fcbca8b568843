package assess_test

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestWhatIsNamedFirst: where two things are wrong with the same one, the check
// names that which explains the other, and it alone.
func TestWhatIsNamedFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, check string
		do          func(w fleet.World)
		seen        string
	}{
		{"an unreadable report before an agent that is gone", assess.CheckReports, func(w fleet.World) {
			w.Reports["n3"] = fleet.ReportRecord{Problem: "no JSON"}
		}, "n3: its report cannot be read: no JSON"},
		{"an agent that is gone before its own last problem", assess.CheckReports, func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Alive, r.Report.Problem = false, "its goal cannot be read" })
		}, "n3: its agent is gone, the last report is 10s old"},
		{"the agent's own problem before the age of its report", assess.CheckReports, func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) {
				r.Report.Problem, r.Report.At = "its goal cannot be read", at.Now().Add(-time.Hour)
			})
		}, "n3: its goal cannot be read"},
		{"a node that took no goal yet", assess.CheckReports, func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.FleetID = "" })
		}, "n3: it has not taken a goal of this fleet yet"},
		{"another fleet before its epoch", assess.CheckReports, func(w fleet.World) {
			at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.FleetID, r.Report.Epoch = "other", 9 })
		}, "n3: it belongs to fleet other, Consul's records to fleet fleet-1"},
		{"a stop that does not end before the agent's reason", assess.CheckInstances, func(w fleet.World) {
			at.Redis(w, "n2").Unit.Stopping, at.Redis(w, "n2").Reason = true, "its files are not ours"
		}, "redis-main-6379 on n2 was told to stop and has not ended"},
		{"another master's name before its flags", assess.CheckSentinelMaster, func(w fleet.World) {
			s := at.SentinelOn(w, "n3").Sentinel
			s.Master, s.MasterFlags, s.Replicas[0].Addr = at.Server("n2"), "master,s_down", at.Server("n1")
		}, "the sentinel on n3 names n2"},
		{"a peer listed twice before its id", assess.CheckSentinelPeers, func(w fleet.World) {
			s := at.SentinelOn(w, "n1").Sentinel
			s.Peers[0].ID = at.MyID("n9")
			s.Peers = append(s.Peers, s.Peers[0])
		}, "the sentinel on n1 knows the one on n2 2 times"},
		{"a peer that is lost before one that never answered", assess.CheckSentinelReach, func(w fleet.World) {
			p := &at.SentinelOn(w, "n1").Sentinel.Peers[0]
			p.Flags, p.Reached = "sentinel,s_down", false
		}, "n1 does not reach n2 (sentinel,s_down)"},
		{"a member of the group is not foreign, whatever it says of itself", assess.CheckSentinelReplicas, func(w fleet.World) {
			at.SentinelOn(w, "n1").Sentinel.Replicas[0].SaysMaster = true
		}, "3 complete lists"},
		{"a master's append-only file before its snapshot", assess.CheckPersistence, func(w fleet.World) {
			at.Redis(w, "n1").Redis.AOFError, at.Redis(w, "n1").Redis.SaveError = true, true
		}, "n1 cannot write its append-only file and refuses writes (MISCONF): " + lookAtDisk},
		{"a replica's append-only file before its snapshot", assess.CheckPersistence, func(w fleet.World) {
			at.Redis(w, "n2").Redis.AOFError, at.Redis(w, "n2").Redis.SaveError = true, true
		}, "n2 cannot write its append-only file: " + lookAtDisk},
		{"a master's snapshot may refuse writes", assess.CheckPersistence, func(w fleet.World) {
			at.Redis(w, "n1").Redis.SaveError = true
		}, "n1 cannot write its snapshot and, if it has save points, refuses writes (MISCONF): " + lookAtDisk},
		{"what peers saw before an agent that is gone", assess.CheckInstances, func(w fleet.World) {
			at.Kill(w, "n3")
			agentGone(w, "n3")
		}, "redis-main-6379 on n3 is gone (seen down by n1, n2); sentinel-main-26379 on n3 is gone (seen down by n1, n2)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			c.do(w)
			if got := check(t, assess.Group(w, at.Group), c.check).Seen; got != c.seen {
				t.Errorf("seen is %q,\nwant    %q", got, c.seen)
			}
		})
	}
}

const lookAtDisk = "look at its disk, and do not stop it before it can write again: it would refuse to end"

// TestWithoutAControlRecord: that it is missing is said once, and not of every
// node that therefore took no goal.
func TestWithoutAControlRecord(t *testing.T) {
	t.Parallel()
	w := at.Healthy(fleet.Sentinel, 3)
	w.Control = nil
	at.Edit(w, "n3", func(r *fleet.ReportRecord) { r.Report.FleetID = "" })
	if got := check(t, assess.Group(w, at.Group), assess.CheckReports).Seen; got != "Consul has no control record of the fleet" {
		t.Errorf("seen is %q", got)
	}
}

// TestANewGroupHasNoGoals: before its election nobody has taken a goal, and that
// is no fault of a node.
func TestANewGroupHasNoGoals(t *testing.T) {
	t.Parallel()
	w := at.Fresh(fleet.Sentinel, 3)
	w.Control = &fleet.Control{Format: fleet.Format, FleetID: at.FleetID}
	if c := check(t, assess.Group(w, at.Group), assess.CheckReports); !c.OK {
		t.Errorf("seen is %q", c.Seen)
	}
}

// TestWhyAStopDoesNotEnd (hazard D2): Redis refuses to end while it cannot write
// its data. A sentinel has none.
func TestWhyAStopDoesNotEnd(t *testing.T) {
	t.Parallel()
	const refuses = " (it refuses to, since it cannot write its data: " + lookAtDisk + ")"
	for _, c := range []struct {
		name string
		do   func(w fleet.World) *fleet.InstanceReport
		why  string
	}{
		{"nothing is wrong with the disk", func(w fleet.World) *fleet.InstanceReport { return at.Redis(w, "n2") }, ""},
		{"append-only file", func(w fleet.World) *fleet.InstanceReport {
			at.Redis(w, "n2").Redis.AOFError = true
			return at.Redis(w, "n2")
		}, refuses},
		{"snapshot", func(w fleet.World) *fleet.InstanceReport {
			at.Redis(w, "n2").Redis.SaveError = true
			return at.Redis(w, "n2")
		}, refuses},
		{"a sentinel", func(w fleet.World) *fleet.InstanceReport { return at.SentinelOn(w, "n2") }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := at.Healthy(fleet.Sentinel, 3)
			i := c.do(w)
			i.Unit.Stopping = true
			want := string(i.ID) + " on n2 was told to stop and has not ended" + c.why
			if got := check(t, assess.Group(w, at.Group), assess.CheckInstances).Seen; got != want {
				t.Errorf("seen is %q,\nwant    %q", got, want)
			}
		})
	}
}
