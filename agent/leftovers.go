package agent

import (
	"os"
	"path/filepath"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/safefile"
)

// leftovers reports the instances that nobody assigned and whose folders are on
// this node's disk: data
// that an election must know of before any goal asks for it (promise data-wins).
func (a *agent) leftovers(assigned map[fleet.InstanceID]bool) []fleet.InstanceReport {
	entries, err := os.ReadDir(a.cfg.DataDir)
	if err != nil {
		return nil
	}
	var out []fleet.InstanceReport
	for _, e := range entries {
		id := fleet.InstanceID(e.Name())
		kind, group, port, ok := id.Parts()
		if !e.IsDir() || !ok || assigned[id] {
			continue
		}
		r := fleet.InstanceReport{ID: id, Group: group, Kind: kind, State: fleet.Held,
			Addr: fleet.Addr{Host: a.cfg.Address, Port: port}}
		r.GroupID, _ = apply.Identity(a.cfg.DataDir, id)
		if kind == fleet.KindSentinel {
			r.Sentinel = sentinelOnDisk(filepath.Join(a.cfg.DataDir, e.Name(), "sentinel.conf"), group)
		} else if data, err := rdb.Dataset(filepath.Join(a.cfg.DataDir, e.Name())); true {
			data.Present = data.Present || err != nil // what cannot be read counts as data
			r.Dataset = &data
		}
		out = append(out, r)
	}
	return out
}

// sentinelOnDisk reads what a sentinel that does not run left in its file.
func sentinelOnDisk(path, group string) *fleet.SentinelReport {
	b, err := safefile.Read(path)
	if err != nil {
		return nil
	}
	f, err := redisconf.Parse(b)
	if err != nil {
		return nil
	}
	st, err := redisconf.ReadSentinelState(f)
	if err != nil {
		return nil
	}
	r := &fleet.SentinelReport{MyID: st.MyID}
	for _, m := range st.Masters {
		r.Monitored = append(r.Monitored, m.Name)
		if m.Name == group || len(st.Masters) == 1 {
			r.Master, r.ConfigEpoch = m.Addr, m.ConfigEpoch
		}
	}
	return r
}
