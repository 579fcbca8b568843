//go:build long

package fleettest

import (
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/evidence"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestEvidenceCutsLong ends the agent before and after each effect.
func TestEvidenceCutsLong(t *testing.T) {
	t.Parallel()
	var all []cutPlace
	for _, l := range crashLabels() {
		all = append(all, cutPlace{l, effect.Before}, cutPlace{l, effect.After})
	}
	cutCrashes(t, all...)
}

// TestEvidenceLong has what else can be missing for a request.
func TestEvidenceLong(t *testing.T) {
	t.Parallel()
	t.Run("Consul is out", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		s.consul.SetError(500)
		kill(t, s.Fleet, s.old, fleet.KindRedis)
		s.says("(no-claim)")
		s.consul.SetError(0)
		s.notAsked()
		s.whole()
	})
	t.Run("a minority of the sentinels", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		for _, i := range others(s.old) {
			signal(t, s.Fleet, i, fleet.KindSentinel, syscall.SIGSTOP)
		}
		kill(t, s.Fleet, s.old, fleet.KindRedis)
		s.says("(no-majority)")
		s.notAsked()
		s.judge()
	})
	t.Run("it stands still before it asks", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		s.stall.Store(int64(evidence.Patience(fleet.Monitor{DownAfter: fleet.Duration(12 * time.Second)}) + 500*time.Millisecond))
		kill(t, s.Fleet, s.old, fleet.KindRedis)
		s.says("(too-late)")
		s.notAsked()
		s.whole()
	})
	t.Run("no replica in sync", func(t *testing.T) {
		t.Parallel()
		s := newCrash(t, nil, evident)
		for _, i := range others(s.old) {
			signal(t, s.Fleet, i, fleet.KindRedis, syscall.SIGSTOP)
		}
		kill(t, s.Fleet, s.old, fleet.KindRedis)
		s.says("(no-synced-replica)")
		s.notAsked()
		s.judge()
	})
}

// TestEvidenceAndRestartsLong: the old master is started again by its unit, through the
// boot fence, at moments around the request. It is let start as the master before
// the request, which is then never made, or it comes back as a replica.
func TestEvidenceAndRestartsLong(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			s := newCrash(t, nil, evident)
			kill(t, s.Fleet, s.old, fleet.KindRedis)
			time.Sleep(delay) // what is tested is that moment
			start, err := fenceOn(t, s.Fleet, s.old, failoverIn)
			if err != nil {
				t.Fatal(err)
			}
			startUnit(t, s.Fleet, s.old, redisID)
			t.Logf("after %v it %v", delay, start)
			if asMaster := start.Follow == (fleet.Addr{}); asMaster && s.asked.Load() > 0 {
				t.Error("it started as the master although a sentinel was asked for a failover")
			}
			s.whole()
		})
	}
}
