package sim

import (
	"slices"
	"testing"
)

// TestHeldBack: the simulation's operator acts only on a status that says that the last
// master cannot give what the replicas may lack, and names them.
func TestHeldBack(t *testing.T) {
	const (
		down = "group main is down: redis-main-6379 on n3, the last master, is held"
		gone = " (its data is gone while 10.0.0.1:6379 still holds 22 keys: waiting until another is master)"
		old  = " (it was the master and keeps snapshots only; 10.0.0.1:6379 answers and is further than its last one: waiting until that one is master)"
		next = "; no replica can be promoted: bring the last master or a replica with its data back"
		one  = " (n1 had not caught up and would lose what was written since; to have it promoted all the same: redis-cli CONFIG SET replica-priority 100 there)."
		all  = " (n1, n2 and n4 had not caught up and would lose what was written since; to have the one promoted that is furthest: redis-cli CONFIG SET replica-priority 100 on all of them)."
	)
	for name, tc := range map[string]struct {
		says string
		want []string
	}{
		"its data is gone":           {down + gone + next + one, []string{"n1"}},
		"several are kept back":      {down + gone + next + all, []string{"n1", "n2", "n4"}},
		"it has an old snapshot":     {down + old + next + one, []string{"n1"}},
		"it has its data":            {down + " (await-verdict)" + next + one, nil},
		"nobody is kept back":        {down + gone + next + ".", nil},
		"a replica can be promoted":  {down + gone + "; the sentinels are to promote a replica.", nil},
		"another group":              {"group more is down: x" + gone + next + one, nil},
		"a group that serves poorly": {"group main is degraded: x" + gone + next + one, nil},
	} {
		if got, found := heldBack(tc.says); found != (tc.want != nil) || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v %v, want %v", name, got, found, tc.want)
		}
	}
}
