package observe

import (
	"context"
	"strings"
	"time"

	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/internal/fleet"
)

// rewriteEvery is how long a reply to CONFIG REWRITE is trusted when neither
// process nor file changed.
const rewriteEvery = time.Minute

func (o *Observer) server(ctx context.Context, g fleet.InstanceGoal, w *watched, s *Seen) {
	if w.server == nil {
		w.server = o.redis().Server(g.Addr, w.password.Reveal())
	}
	mark := o.aofMark(g.ID)
	info, err := w.server.Observe(ctx)
	if err != nil {
		s.Answer = err.Error()
		return
	}
	s.Info = &info
	// With AOF off, as after a full sync that failed, the files are not what the
	// server holds, and their mark says nothing.
	if info.Keys == 0 && info.AOF && !info.Loading && mark == o.aofMark(g.ID) {
		s.EmptyMark = mark // nothing was written while it was asked
	}
	s.RewriteError, s.WriteRefused = w.rewriteError, w.writeRefused
	s.ProbeSeen = o.probeKey(ctx, g, w)
	s.Facts.Redis = &converge.Redis{
		Role: info.Role, LinkUp: info.LinkUp, Priority: info.ReplicaPriority,
		AOF: info.AOF, Loading: info.Loading, ProbeSeen: s.ProbeSeen, WriteTried: w.writeRefused,
		RefusesWrites: info.RefusesWrites(),
		Master:        info.Master, DiskError: info.AOF && !info.AOFOK || !info.SaveOK,
		RewriteDue: w.rewriteAt.IsZero() || o.Now().Sub(w.rewriteAt) >= rewriteEvery || w.rewriteFile != o.mark(g.ID),
	}
	if !info.AOF {
		s.Facts.Disk, _ = o.disk(g, "") // whether it was started from a snapshot
	}
	if s.Facts.Memory.RaisePriority && info.Role == fleet.RoleReplica && info.LinkUp {
		s.Facts.Redis.CaughtUp = o.caughtUp(ctx, info, w.password.Reveal())
	}
	s.Facts.Redis.Stranded = o.stranded(ctx, g, w, s.Facts)
	if s.Facts.Redis.RewriteDue && !info.Loading {
		s.FileLineage = o.fileLineage(g)
	}
	s.Probes = w.probes.look(ctx, o.redis(), o.Now(), g, w.password)
}

// probeKey reads the probe while the group forms, and afterwards until it is
// seen to be gone.
func (o *Observer) probeKey(ctx context.Context, g fleet.InstanceGoal, w *watched) string {
	if g.Seed == nil && w.probeClear {
		return ""
	}
	value, found, err := w.server.Get(ctx, fleet.ProbeKey(g.Group))
	if err != nil {
		return ""
	}
	w.probeClear = g.Seed == nil && !found
	return value
}

func (o *Observer) sentinel(ctx context.Context, g fleet.InstanceGoal, w *watched, s *Seen) {
	if w.sentinel == nil {
		w.sentinel = o.redis().Sentinel(g.Addr, g.SentinelPassword(w.password.Reveal()))
	}
	info, err := w.sentinel.Observe(ctx, g.Monitor.MasterName, true)
	if err != nil {
		s.Answer = err.Error()
		return
	}
	if g.Monitor.Open {
		info.Report.PasswordOK = true // it answered to none, as it should
	}
	s.Sentinel = &info
	peers, reached := map[string]bool{}, map[string]bool{}
	for _, p := range info.Report.Peers {
		peers[p.ID] = true
		reached[p.ID] = p.Reached && !strings.Contains(p.Flags, "down") && !strings.Contains(p.Flags, "disconnected")
	}
	s.Facts.Sentinel = &converge.Sentinel{Peers: peers, Reached: reached, Master: info.Report.Master}
	if converge.Strangers(&g, s.Facts.Sentinel) {
		s.Facts.Listening = o.listening(ctx, g.Addr, g.Sentinels)
	}
}
