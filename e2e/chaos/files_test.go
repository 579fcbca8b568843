//go:build e2e

package chaos

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/history"
)

// garbage is what a damaged file has. It begins with a zero byte, as a file that lost
// its blocks: Sentinel takes such a file for an empty one.
const garbage = "\\000 this is no file of anybody \\377"

func diskKinds() []kind {
	return []kind{
		{"full disk on master", always, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return r.fullDisk(n), err
		}},
		{"full disk anywhere", sometimes, func(_ context.Context, r *run) (*fault, error) { return r.fullDisk(r.aNode()), nil }},
		{"folders not writable", sometimes, func(_ context.Context, r *run) (*fault, error) { return notWritable(r.aNode()), nil }},
		{"read-only disk", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			n, err := r.aMaster(ctx)
			return readOnlyDisk(n), err
		}},
		{"lost data of replicas", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.replicaPlaces(ctx)
			return r.lostData(places, harmless), err
		}},
		{"lost data of masters", always, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.masterPlaces(ctx)
			return r.lostData(places, crash), err
		}},
	}
}

// unwritable: a master that cannot write its disk answers PING with an error, so
// Sentinel fails over; once it can write again it is an old master that goes on.
func unwritable(g group) history.Claim { return stalled(g) }

// fullDisk: a server that keeps every write on disk (appendfsync always), and any
// replica, ends itself when it cannot write, and systemd starts it again. An operator
// then has each server write its append-only file anew, as the operations page says: a
// Redis 7.0 that was synced since its start cuts it at the wrong place after a short
// write, and would not start again (hazard D2).
func (r *run) fullDisk(n *machine.Node) *fault {
	var servers []place
	for _, g := range groups() {
		servers = append(servers, place{n, g.redis()})
	}
	return &fault{target: n.Name, hold: 4 * time.Second, claim: unwritable, touches: touchesOf(servers),
		start: func(ctx context.Context) error { return n.FillDisk(ctx, dataDir) },
		heal: func(ctx context.Context) error {
			if err := n.FreeDisk(dataDir); err != nil {
				return err
			}
			for _, g := range r.groups {
				if err := shell(ctx, n, damagedAOFAway(g.group)); err != nil {
					return err
				}
				server := g.servers[slices.Index(r.Nodes, n)]
				if why := r.await(ctx, wholeLimit, func() string { return rewritten(ctx, server) }); why != "" {
					return fmt.Errorf("group %s: %s", g.name, why)
				}
			}
			return nil
		}}
}

// rewritten has a server write its append-only file anew, and says why it has not.
func rewritten(ctx context.Context, server *goredis.Client) string {
	if err := server.BgRewriteAOF(ctx).Err(); err != nil {
		return err.Error() // loading, or a rewrite is under way
	}
	for {
		info, err := server.InfoMap(ctx, "persistence").Result()
		if err != nil {
			return err.Error()
		}
		p := info["Persistence"]
		if p["aof_rewrite_in_progress"] == "0" && p["aof_rewrite_scheduled"] == "0" {
			if p["aof_last_bgrewrite_status"] != "ok" {
				return "the append-only file was not rewritten"
			}
			return ""
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err.Error()
		}
	}
}

// notWritable takes the right to make files in the folders of all instances of a
// machine from them, which are not root: nothing can be saved or rewritten, while
// files that are open go on. A replica whose save fails then ends itself ("Replica was
// unable to write command to disk"), as on a full disk.
func notWritable(n *machine.Node) *fault {
	var servers []place
	folders := ""
	for _, g := range groups() {
		servers = append(servers, place{n, g.redis()})
		folders += " " + g.folder() + " " + g.folder() + "/appendonlydir " + g.sentinelFolder()
	}
	return &fault{target: n.Name, hold: 4 * time.Second, claim: unwritable, touches: touchesOf(servers),
		start: func(ctx context.Context) error { return shell(ctx, n, "chmod u-w"+folders) },
		heal:  func(ctx context.Context) error { return shell(ctx, n, "chmod u+w"+folders) }}
}

// readOnlyDisk has the disk turn read-only under open files, as a file system does on
// an error below it. What was not synced there is lost. An operator takes the power of
// the machine, has the disk checked, starts it again, and moves an append-only file
// away that Redis finds damaged, as the operations page says: the blocks of its end may
// be zeros.
func readOnlyDisk(n *machine.Node) *fault {
	return &fault{target: n.Name, hold: 4 * time.Second, claim: unwritable, touches: allOf([]*machine.Node{n}),
		start: func(context.Context) error { return n.BreakDisk(dataDir) },
		heal: func(ctx context.Context) error {
			if err := n.PowerOff(ctx); err != nil {
				return err
			}
			if err := n.RepairDisk(ctx, dataDir); err != nil {
				return err
			}
			if err := n.BootAgain(ctx); err != nil {
				return err
			}
			for _, g := range groups() {
				if err := shell(ctx, n, damagedAOFAway(g)); err != nil {
					return err
				}
			}
			return nil
		}}
}

// damagedAOFAway gives a server some seconds to start; where it does not, and its
// append-only file is damaged, that is moved away.
func damagedAOFAway(g group) string {
	return fmt.Sprintf("for i in $(seq 50); do systemctl --quiet is-active %s && exit 0; sleep 0.1; done; cd %s && "+
		"{ redis-check-aof appendonlydir/appendonly.aof.manifest >&2 || mv appendonlydir appendonlydir.damaged.$$; }", g.redis(), g.folder())
}

// lostData takes the whole folder of servers away and kills them.
func (r *run) lostData(places []place, claim func(group) history.Claim) *fault {
	f := killed(places, claim)
	f.start = func(ctx context.Context) error {
		for i, p := range places {
			if err := do(ctx, p.node, "rm", "-rf", r.groups[i].folder()); err != nil {
				return err
			}
		}
		return signalAll(ctx, places, "KILL")
	}
	return f
}

func fileKinds() []kind {
	return []kind{
		{"corrupt sentinel.conf", sometimes, func(_ context.Context, r *run) (*fault, error) {
			n := r.aNode()
			var files []string
			for _, g := range groups() {
				files = append(files, g.sentinelFolder()+"/sentinel.conf")
			}
			return corrupted(sentinelsOn(n), files, harmless), nil
		}},
		{"corrupt redis.conf", sometimes, func(ctx context.Context, r *run) (*fault, error) {
			places, err := r.replicaPlaces(ctx)
			var files []string
			for _, g := range groups() {
				files = append(files, g.folder()+"/redis.conf")
			}
			return corrupted(places, files, harmless), err
		}},
		{"corrupt goal cache", sometimes, func(_ context.Context, r *run) (*fault, error) {
			n := r.aNode()
			return corrupted([]place{{n, agentUnit}}, []string{dataDir + "/state/goal.json"}, harmless), nil
		}},
		{"corrupt instance state", sometimes, func(_ context.Context, r *run) (*fault, error) {
			n := r.aNode()
			return corrupted([]place{{n, agentUnit}}, []string{dataDir + "/state/instances/redis-fast-6379.json"}, harmless), nil
		}},
	}
}

// corrupted writes garbage over a file of each process and kills the process, so that
// it is read. Where nobody mends the file within its hold, an operator does what status
// and the operations page say: the file is moved away, a sentinel's folder removed.
func corrupted(places []place, files []string, claim func(group) history.Claim) *fault {
	f := killed(places, claim)
	f.hold = 4 * time.Second
	file := func(i int) string { return files[min(i, len(files)-1)] }
	f.start = func(ctx context.Context) error {
		for i, p := range places {
			if err := shell(ctx, p.node, fmt.Sprintf("test -f %[1]s && printf '%[2]s' > %[1]s", file(i), garbage)); err != nil {
				return err
			}
		}
		return signalAll(ctx, places, "KILL")
	}
	f.heal = func(ctx context.Context) error {
		for i, p := range places {
			mend := fmt.Sprintf("mv %[1]s %[1]s.damaged", file(i))
			if strings.HasSuffix(file(i), "/sentinel.conf") { // as status says
				mend = fmt.Sprintf("{ systemctl stop %s; rm -r %s; }", p.unit, path.Dir(file(i)))
			}
			if err := shell(ctx, p.node, fmt.Sprintf("! grep -q 'this is no file' %s || %s", file(i), mend)); err != nil {
				return err
			}
		}
		return nil
	}
	return f
}
