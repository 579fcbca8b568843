package bugs

import "testing"

// TestEachBugCanBePlanted: the text that each edit replaces is there exactly once.
func TestEachBugCanBePlanted(t *testing.T) {
	if n := len(All()); n < 10 {
		t.Errorf("there are %d bugs, want 10 at least", n)
	}
	for _, b := range All() {
		if _, err := b.Overlay("../../..", t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}
