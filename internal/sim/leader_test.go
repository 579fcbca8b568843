package sim

import "testing"

// TestLeaderToRestart: the simulation's operator restarts a sentinel only where status
// names it, and the one that it names.
func TestLeaderToRestart(t *testing.T) {
	const (
		held = "redis-main-6379 on n3, the last master, is held (it was the master and keeps snapshots only; 10.0.0.2:6379 answers and is " +
			"further than its last one: waiting until that one is master"
		hint = "; the sentinel on n4 promoted this one and waits for it: where no other one promotes a replica within failover_timeout, restart the sentinel on n4"
		next = "); the sentinels are to promote a replica."
	)
	for says, want := range map[string]string{
		"group main is down: " + held + hint + next:     "n4",
		"group main is down: " + held + next:            "",
		"group more is down: " + held + hint + next:     "",
		"group main is degraded: " + held + hint + next: "",
		"": "",
	} {
		if node, found := leaderToRestart(says); node != want || found != (want != "") {
			t.Errorf("%q %v, want %q: %s", node, found, want, says)
		}
	}
}
