package record

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/history"
)

// probeLife is how long a probe's key lives.
const probeLife = 10 * time.Second

// probe tries to write to one server, past the sentinels, and asks for its role. It
// writes a key of its own with a short life, so that it disturbs nothing.
func (r *Recorder) probe(ctx context.Context, node string) {
	client := r.direct(r.o.Servers[node])
	defer func() { _ = client.Close() }()
	// What is the same as before makes its row longer; the last row of each node is
	// at these indexes.
	probe, role := -1, -1
	every(ctx, r.o.ProbePause, func() {
		start := r.now()
		class, is := r.probeOne(context.WithoutCancel(ctx), client)
		end := r.now()
		r.mu.Lock()
		defer r.mu.Unlock()
		if probe < 0 || r.group.Probes[probe].Class != class {
			probe = len(r.group.Probes)
			r.group.Probes = append(r.group.Probes, history.Probe{Node: node, Class: class, From: start})
		}
		r.group.Probes[probe].To = end
		r.group.Probes[probe].Tries++
		if role < 0 || r.group.Roles[role].Role != is {
			role = len(r.group.Roles)
			r.group.Roles = append(r.group.Roles, history.Role{Node: node, Role: is, From: start})
		}
		r.group.Roles[role].To = end
	})
}

// probeOne is one try: what became of the write, and the role.
func (r *Recorder) probeOne(ctx context.Context, client *goredis.Client) (history.Class, string) {
	var set *goredis.StatusCmd
	var role *goredis.Cmd
	_, err := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		set = p.Set(ctx, r.probeKey(), 1, probeLife)
		role = p.Do(ctx, "ROLE")
		return nil
	})
	return outcome(set.Err(), set.Val() == "OK", err), roleOf(role)
}

// roleOf reads the answer to ROLE.
func roleOf(cmd *goredis.Cmd) string {
	reply, err := cmd.Slice()
	switch {
	case err != nil && classify(err) == history.Loading:
		return history.RoleLoading
	case err != nil || len(reply) == 0:
		return history.RoleSilent
	case reply[0] == "master":
		return history.RoleMaster
	case len(reply) > 3 && reply[3] == "connected":
		return history.RoleReplica
	default:
		return history.RoleUnlinked
	}
}
