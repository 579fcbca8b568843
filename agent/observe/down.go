package observe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/agent/converge"
	"github.com/redfleet/redfleet/agent/fence"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/secret"
)

const (
	// askTimeout bounds one question to a peer while an instance is down.
	askTimeout = 400 * time.Millisecond
	// dialTimeout bounds a look whether a peer listens yet.
	dialTimeout = 100 * time.Millisecond
)

// down gathers what the decision needs about an instance that does not run.
func (o *Observer) down(ctx context.Context, g fleet.InstanceGoal, w *watched, s Seen) Seen {
	w.close()
	if w.downSince.IsZero() {
		w.downSince = o.Now()
		if o.DownSince != nil {
			w.downSince = o.DownSince(g.ID)
		}
	}
	s.Facts.DownSince, s.Facts.Asked = w.downSince, o.Now()
	if g.Assigned != fleet.Running {
		return s // it is to stay down, whatever the others say
	}
	disk, err := o.disk(g, s.Facts.Memory.EmptyMark)
	if err != nil && s.Facts.Problem == "" {
		s.Facts.Problem = err.Error()
	}
	s.Facts.Disk = disk
	s.Facts.PortOwner = o.portOwner(ctx, g.Addr, apply.Dir(o.DataDir, g.ID))
	if g.Seed != nil {
		s.Facts.Listening = o.listening(ctx, g.Addr, g.Servers)
	}
	if asksNobody(g, s.Facts) {
		return s
	}
	if g.Kind == fleet.KindSentinel && s.Facts.Memory.Started && !s.Facts.Disk.NoRole {
		return s // a sentinel never waits for anybody (docs/design.md, boot fence)
	}
	s.Facts.Sentinels, s.Facts.Servers = o.Group(ctx, g, w.password)
	return s
}

// asksNobody: a first start while its group forms needs no answer, and a bring-up is not
// to wait for any, unless data is at stake, clients wrote to the group already (then it
// may be no first start: its disk was lost), or it is the elected master and a server
// runs that can be promoted.
func asksNobody(g fleet.InstanceGoal, f converge.Instance) bool {
	if g.Seed == nil || g.Seed.Written || f.Memory.Started || !g.Seed.Fresh && f.Disk.Dataset.Present {
		return false
	}
	elected := g.Kind == fleet.KindRedis && g.Seed.Master == g.Addr
	return !elected || len(f.Listening) == 0
}

// Group asks the group's sentinels and other servers, each on a new connection.
// Side by side, so that peers that are silent cost one askTimeout and not two.
func (o *Observer) Group(ctx context.Context, g fleet.InstanceGoal, password secret.Password) (sentinels []fence.SentinelView, servers []fence.ServerView) {
	var wg sync.WaitGroup
	wg.Go(func() { sentinels = askSentinels(ctx, o.redis(), g, password.Reveal()) })
	wg.Go(func() { servers = askServers(ctx, o.redis(), g, password.Reveal()) })
	wg.Wait()
	return sentinels, servers
}

// disk reads what the files of an instance say. The error is about one that says
// nothing, because it is damaged.
func (o *Observer) disk(g fleet.InstanceGoal, emptyMark string) (converge.Disk, error) {
	dir := apply.Dir(o.DataDir, g.ID)
	if g.Kind != fleet.KindRedis {
		_, err := os.Stat(filepath.Join(dir, "sentinel.conf"))
		return converge.Disk{NoRole: errors.Is(err, fs.ErrNotExist)}, nil
	}
	files, err := rdb.Inspect(dir, rdb.DefaultNames())
	d := converge.Disk{Dataset: files.Dataset(), Bytes: o.dataBytes(g.ID), SnapshotOnly: files.OnlyRDB(), NoRole: true}
	if o.knownEmpty(g.ID, files, emptyMark) {
		d.Dataset = fleet.Dataset{}
	}
	if err != nil {
		d.Dataset.Present = true // what cannot be read counts as data (promise data-wins)
	}
	conf, err := apply.ReadConf(filepath.Join(dir, "redis.conf"))
	if conf != nil && !conf.Empty() {
		d.Follows, d.NoRole = follows(conf), false
	}
	return d, err
}

func follows(f *redisconf.File) fleet.Addr {
	lines := f.Get("replicaof")
	if len(lines) == 0 || len(lines[len(lines)-1]) != 2 {
		return fleet.Addr{}
	}
	last := lines[len(lines)-1]
	var a fleet.Addr
	if err := a.UnmarshalText([]byte(net.JoinHostPort(last[0], last[1]))); err != nil {
		return fleet.Addr{}
	}
	return a
}

// listening tells which members accept a connection now.
func (o *Observer) listening(ctx context.Context, self fleet.Addr, members []fleet.Member) map[fleet.Addr]bool {
	out := map[fleet.Addr]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range members {
		if m.Addr == self {
			continue
		}
		wg.Go(func() {
			conn, err := o.dial(ctx, m.Addr)
			if err != nil {
				return
			}
			_ = conn.Close()
			mu.Lock()
			out[m.Addr] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	return out
}

// dial looks for a listener, for dialTimeout at most.
func (o *Observer) dial(ctx context.Context, a fleet.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return o.Network.DialContext(ctx, "tcp", a.String())
}

// Listens tells whether somebody accepts connections on an address now.
func (o *Observer) Listens(ctx context.Context, a fleet.Addr) bool {
	conn, err := o.dial(ctx, a)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func askSentinels(ctx context.Context, via redis.Network, g fleet.InstanceGoal, password string) []fence.SentinelView {
	views := make([]fence.SentinelView, len(g.Sentinels))
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, m := range g.Sentinels {
		views[i] = fence.SentinelView{Node: m.Node}
		if m.Addr == g.Addr {
			continue
		}
		wg.Go(func() {
			c := via.Sentinel(m.Addr, g.SentinelPassword(password))
			defer c.Close()
			info, err := c.Observe(ctx, g.Monitor.MasterName, false)
			if err == nil {
				views[i] = sentinelView(m.Node, g.Addr, info)
				views[i].Reaches = reaches(g.Sentinels, info.Report.Peers)
			}
		})
	}
	wg.Wait()
	return views
}

func sentinelView(node string, self fleet.Addr, info redis.View) fence.SentinelView {
	v := fence.SentinelView{
		Node: node, Answered: true, Names: info.Report.Master, Epoch: info.Report.ConfigEpoch,
		Flags: info.Report.MasterFlags, Uptime: info.Uptime, Tilt: info.Tilt(),
		Silence: info.Master.LastAnswer, Heard: heard(&info), Usable: info.Report.Usable,
	}
	for _, r := range info.Report.Replicas {
		v.Replicas = append(v.Replicas, r.Addr)
		if r.Promotable {
			v.Promotable = append(v.Promotable, r.Addr)
		}
	}
	v.Knows = make(map[fleet.Addr]fence.Known, len(info.Replicas))
	for i := range info.Replicas {
		r := &info.Replicas[i]
		v.Knows[r.Addr] = fence.Known{Priority: r.Priority, Offset: r.Offset, InfoAge: r.InfoAge}
		if r.Addr == self {
			v.SelfSilence = r.LastAnswer
			v.Awaits = awaits(self, &info, r)
		}
	}
	return v
}

// reaches are the nodes of the peers that a sentinel has not counted as down.
func reaches(members []fleet.Member, peers []fleet.SeenInstance) []string {
	var out []string
	for _, p := range peers {
		i := slices.IndexFunc(members, func(m fleet.Member) bool { return m.Addr == p.Addr })
		if i >= 0 && !slices.Contains(strings.Split(p.Flags, ","), "s_down") {
			out = append(out, members[i].Node)
		}
	}
	return out
}

// heard: the master that the sentinel names has answered it since it started. While its
// failover is under way, its entry of the master is the old one's.
func heard(info *redis.View) bool {
	reached, _ := info.Master.Reached()
	return reached && info.Master.Addr == info.Report.Master
}

// awaits: the sentinel leads a failover that has promoted the instance, in whose place it
// still keeps the old master's entry, and has counted the instance as down since.
func awaits(self fleet.Addr, info *redis.View, entry *redis.Instance) bool {
	return info.Master.Has("failover_in_progress") && info.Report.Master == self && info.Master.Addr != self &&
		entry.Has("promoted") && entry.Has("s_down")
}

func askServers(ctx context.Context, via redis.Network, g fleet.InstanceGoal, password string) []fence.ServerView {
	var views []fence.ServerView
	for _, m := range g.Servers {
		if m.Addr != g.Addr {
			views = append(views, fence.ServerView{Addr: m.Addr})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i := range views {
		wg.Go(func() {
			c := via.Server(views[i].Addr, password)
			defer c.Close()
			info, err := c.Observe(ctx)
			if err != nil {
				return
			}
			views[i] = serverView(views[i].Addr, info)
			if info.Keys == 1 {
				_, found, err := c.Get(ctx, fleet.ProbeKey(g.Group))
				views[i].OnlyProbe = err == nil && found
			}
		})
	}
	wg.Wait()
	return views
}

func serverView(addr fleet.Addr, info redis.Info) fence.ServerView {
	return fence.ServerView{
		Addr: addr, Answered: true, Role: info.Role, Master: info.Master,
		Keys: info.Keys, Loading: info.Loading, ReplID: info.ReplID, ReplID2: info.ReplID2, Offset: info.Offset,
	}
}

// portOwner tells who listens on an instance's port while its process is down.
// It does not try the port itself: under systemd the server may be starting at
// this very moment, and would find its port taken.
// One that runs in the instance's own folder is no stranger: it is an earlier
// process of the instance, of which the supervisor has lost the record.
func (o *Observer) portOwner(ctx context.Context, a fleet.Addr, dir string) string {
	addr, err := net.ResolveTCPAddr("tcp", a.String())
	if err == nil {
		err = o.Network.Local(addr.AddrPort().Addr())
	}
	if err != nil {
		return fmt.Sprintf("nobody known (%v)", err)
	}
	// A refused connection says that nobody listens, for much less than a walk
	// through /proc, which the looks of a forming group would repeat again and again.
	conn, err := o.dial(ctx, a)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return ""
	}
	if err == nil {
		_ = conn.Close()
	}
	p, found := o.Network.Owner(addr.AddrPort())
	switch {
	case !found:
		return ""
	case p.Dir == dir:
		return p.String() + ", an earlier process of this very instance that the supervisor has no record of"
	}
	return p.String()
}
