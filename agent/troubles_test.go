package agent

import (
	"strings"
	"testing"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/observe"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// TestTroublesOf: each trouble is named alone, and a healthy server has none.
func TestTroublesOf(t *testing.T) {
	t.Parallel()
	good := redis.Info{Role: fleet.RoleMaster, AOF: true, AOFOK: true, SaveOK: true, MinReplicas: 1, GoodReplicas: 1}
	for name, tc := range map[string]struct {
		edit func(*observe.Seen)
		says string
	}{
		"":         {func(*observe.Seen) {}, ""},
		"rewrite":  {func(s *observe.Seen) { s.RewriteError = "ERR no room" }, "cannot rewrite its redis.conf (ERR no room)"},
		"replicas": {func(s *observe.Seen) { s.Info.GoodReplicas = 0 }, "NOREPLICAS"},
		"disk":     {func(s *observe.Seen) { s.Info.SaveOK = false }, "cannot write its data"},
		"stop":     {func(s *observe.Seen) { s.Facts = converge.Instance{Unit: fleet.UnitStatus{Stopping: true}} }, "has not ended"},
	} {
		info := good
		s := observe.Seen{Info: &info}
		tc.edit(&s)
		for kind, got := range troublesOf(s) {
			if kind == name && (!strings.Contains(got.what, tc.says) || got.why == "") || kind != name && got != (trouble{}) {
				t.Errorf("%q: %s is %+v", name, kind, got)
			}
		}
	}
	info := good
	info.AOFOK = false
	if troublesOf(observe.Seen{Info: &info})["disk"] == (trouble{}) {
		t.Error("an append-only file that cannot be written is no trouble")
	}
	if info.AOF = false; troublesOf(observe.Seen{Info: &info})["disk"] != (trouble{}) {
		t.Error("a server without an append-only file is in trouble over it")
	}
}
