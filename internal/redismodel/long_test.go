//go:build long

package redismodel

import "testing"

// TestLongConformance compares models and real programs where Sentinel's own
// waits take their time. It needs no machine and no root.
func TestLongConformance(t *testing.T) {
	for _, sc := range longScripts() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			compare(t, sc)
		})
	}
}
