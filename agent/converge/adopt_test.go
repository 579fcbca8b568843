package converge

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestAdopted: while an adopted instance runs under its old unit nothing is done but
// to have that unit give way; it moves only once it is down, and never before that.
func TestAdopted(t *testing.T) {
	up, down := fleet.UnitStatus{State: fleet.UnitActive, PID: 7}, fleet.UnitStatus{State: fleet.UnitInactive}
	failed, starting := fleet.UnitStatus{State: fleet.UnitFailed}, fleet.UnitStatus{State: fleet.UnitActivating}
	serves := &Redis{Role: fleet.RoleMaster, RewriteDue: true, ProbeSeen: "x"}
	for name, tc := range map[string]struct {
		unit     fleet.UnitStatus
		redis    *Redis
		origin   *Origin
		moved    bool
		assigned fleet.State
		want     Kind
		says     string
	}{
		"runs":                       {unit: up, redis: serves, origin: &Origin{Unit: up}, want: GiveWay},
		"runs and gives way":         {unit: up, redis: serves, origin: &Origin{Unit: up, GivesWay: true}},
		"gives no answer":            {unit: up, origin: &Origin{Unit: up}, says: "left alone"},
		"is down before it gave way": {unit: down, origin: &Origin{Unit: down}, want: GiveWay},
		"is down":                    {unit: down, origin: &Origin{Unit: down, GivesWay: true}, want: Move, says: "is down"},
		"crashed":                    {unit: failed, origin: &Origin{Unit: failed, GivesWay: true}, want: Move, says: "is down"},
		"systemd is at it":           {unit: starting, origin: &Origin{Unit: starting, GivesWay: true}, says: "systemd is at"},
		"an old start is under way":  {unit: starting, origin: &Origin{Unit: starting}, says: "systemd is at"},
		"no systemd, and no answer":  {unit: up, says: "no systemd"},
		"no systemd":                 {unit: up, redis: serves, says: "no systemd"},
		"its node leaves the group":  {unit: up, redis: serves, origin: &Origin{Unit: up, GivesWay: true}, assigned: fleet.Absent, says: "restart that unit first"},
		"moved":                      {unit: up, redis: &Redis{Role: fleet.RoleMaster}, origin: &Origin{Unit: down, GivesWay: true}, moved: true, want: MaskOrigin},
		"moved, the old one starts":  {unit: up, redis: &Redis{Role: fleet.RoleMaster}, origin: &Origin{Unit: starting, GivesWay: true}, moved: true},
		"moved and masked":           {unit: up, redis: &Redis{Role: fleet.RoleMaster}, origin: &Origin{Unit: down, Masked: true}, moved: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := fleet.InstanceGoal{ID: "redis-main-6379", Group: "main", GroupID: "g", Kind: fleet.KindRedis, Topology: fleet.Sentinel, Assigned: fleet.Running,
				Adopted: &fleet.Origin{Unit: "redis-server.service"}}
			if tc.assigned != "" {
				g.Assigned = tc.assigned
			}
			in := Instance{Identity: "g", Unit: tc.unit, Redis: tc.redis, Origin: tc.origin, Memory: Memory{Started: true, Moved: tc.moved}}
			out := Plan(fleet.Goal{Instances: []fleet.InstanceGoal{g}}, Facts{Instances: map[fleet.InstanceID]Instance{g.ID: in}})
			var got Kind
			if len(out.Steps) > 0 {
				got = out.Steps[0].Kind
			}
			if len(out.Steps) > 1 || got != tc.want || !strings.Contains(out.Reasons[g.ID], tc.says) || tc.says == "" && out.Reasons[g.ID] != "" {
				t.Errorf("steps %+v, reasons %q; want %q and %q", out.Steps, out.Reasons, tc.want, tc.says)
			}
		})
	}
}
