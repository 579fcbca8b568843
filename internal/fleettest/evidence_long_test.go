//go:build long

package fleettest

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/boot"
	"github.com/redfleet/redfleet/agent/evidence"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
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
// the request, which is then never made, or it comes back as a replica. Its agent may
// start it while the fence holds the unit, by the same rule.
func TestEvidenceAndRestartsLong(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			s := newCrash(t, nil, evident)
			kill(t, s.Fleet, s.old, fleet.KindRedis)
			time.Sleep(delay) // what is tested is that moment
			asMaster := s.startAgain()
			if asMaster && s.asked.Load() > 0 {
				t.Error("it started as the master although a sentinel was asked for a failover")
			}
			s.whole()
		})
	}
}

// startAgain starts the old master as its unit would, and tells whether it started as
// the master. Where its agent was faster there is nothing left to be started: the fence
// finds the port taken by the very process, and would be held for as long as it runs.
func (s *crashScene) startAgain() (asMaster bool) {
	s.t.Helper()
	ctx, cancel := context.WithCancelCause(s.t.Context())
	defer cancel(nil)
	taken := errors.New("its port is taken")
	start, err := boot.Fence(ctx, boot.Options{
		Config: s.AgentConfig(s.old), Instance: redisID, Wait: failoverIn,
		Tell: func(h boot.Held) {
			s.Logger("fence").Info(h.Error())
			if h.Rule == "port-in-use" {
				cancel(taken)
			}
		},
	})
	switch {
	case err != nil && errors.Is(context.Cause(ctx), taken):
		return s.startedByAgent()
	case err != nil:
		s.t.Fatal(err)
	}
	startUnit(s.t, s.Fleet, s.old, redisID)
	s.t.Logf("it %v", start)
	return start.Follow == (fleet.Addr{})
}

// startedByAgent wants the old master to run as its agent's unit, and tells whether it
// is the master.
func (s *crashScene) startedByAgent() (asMaster bool) {
	s.t.Helper()
	units, server := s.Units(s.old), s.Redis(s.old)
	var role redis.Role
	eventually(s.t, servingIn, "the old master runs, by its agent, and answers", func() bool {
		st, err := units.Status(s.t.Context(), redisID)
		if err != nil || st.State != fleet.UnitActive {
			return false
		}
		role, err = server.Role(s.t.Context())
		return err == nil
	})
	s.t.Logf("its agent has started it: %+v", role)
	return role.Role == fleet.RoleMaster
}
