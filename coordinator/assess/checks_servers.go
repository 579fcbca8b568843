package assess

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// maxLag is how far a replica may be behind and still count as following.
const maxLag = 16 << 20

// checkRoles: one master, and every other server its replica, by the address
// that the master announces (hazard S11).
func (v *view) checkRoles(f *finding) {
	f.want = "one master, every other server its replica"
	f.rest(live(v.servers)...)
	switch {
	case len(v.claims) == 0:
		f.fail("no server is master")
	case len(v.claims) > 1:
		f.fail(list(nodesOf(v.claims)), "each say they are master")
	}
	if v.master == nil {
		return
	}
	f.seen = fmt.Sprintf("master %s, %s", v.master.node, count(len(live(v.servers))-1, "replica"))
	for _, m := range live(v.servers) {
		r := m.inst.Redis
		if r.Role == fleet.RoleReplica && r.Master != v.master.addr {
			f.fail(fmt.Sprintf("%s follows %s, not %s (%s)", m.node,
				nameOf(v.servers, r.Master), v.master.node, v.master.addr))
		}
	}
}

// liveReplicas are the servers that are up and say replica.
func (v *view) liveReplicas() []*member {
	return filter(live(v.servers), func(m *member) bool { return m.inst.Redis.Role == fleet.RoleReplica })
}

// checkLinks: each replica's link is up, and the master sees it online.
func (v *view) checkLinks(f *finding) {
	replicas := v.liveReplicas()
	f.want = "each replica's link up and the replica online at its master"
	f.seen = count(len(replicas), "link") + " up"
	f.rest(live(v.servers)...)
	for _, m := range replicas {
		switch {
		case m.inst.Redis.Link != "up":
			f.fail(m.node+"'s link to", nameOf(v.servers, m.inst.Redis.Master), "is down")
		case v.master != nil && m.inst.Redis.Master == v.master.addr &&
			!slices.Contains(v.master.inst.Redis.Replicas, m.addr):
			f.fail(v.master.node, "does not list", m.node, "("+m.addr.String()+") as online")
		}
	}
}

// checkOffsets: no replica is far behind.
func (v *view) checkOffsets(f *finding) {
	f.want = "no replica more than 16 MiB behind"
	var most int64
	if v.master == nil {
		f.fail("no master tells")
		return
	}
	f.rest(v.master)
	for _, m := range v.liveReplicas() {
		behind := v.behind(m)
		most = max(most, behind)
		if behind > maxLag {
			f.fail(m.node, "is", bytesText(behind), "behind")
		}
	}
	f.seen = "at most " + bytesText(most) + " behind"
	if most == 0 {
		f.seen = "less than 64 KiB behind"
	}
}

// behind is how many bytes a replica lags by the master's report, 0 below 64 KiB
// or where no master tells.
func (v *view) behind(m *member) int64 {
	if v.master == nil {
		return 0
	}
	return v.master.inst.Redis.Behind[m.addr.String()]
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// checkLineage: all servers hold one replication history.
func (v *view) checkLineage(f *finding) {
	f.want = "one replication id"
	byID := map[string][]string{}
	for _, m := range live(v.servers) {
		f.rest(m)
		id := m.inst.Redis.ReplID
		byID[id] = append(byID[id], m.node)
	}
	if len(byID) == 1 {
		f.seen = "replid " + sortedKeys(byID)[0]
		return
	}
	for _, id := range sortedKeys(byID) {
		f.fail("replid", id, "on", list(byID[id]))
	}
}

// checkConfigRewrite: without it a failover is lost with the next start (hazard
// S15).
func (v *view) checkConfigRewrite(f *finding) {
	f.want = "CONFIG REWRITE answers OK on each server"
	f.seen = "OK on " + count(len(live(v.servers)), "server")
	for _, m := range live(v.servers) {
		f.rest(m)
		if under := m.inst.Under; under != "" {
			f.seen += "; not tried on " + m.node + ", which was adopted and has not moved"
		}
		if reply := m.inst.Redis.RewriteError; reply != "" {
			f.fail(m.node, "answers", reply)
		}
	}
}

// checkCredentials: one password of one version everywhere (hazard S9).
func (v *view) checkCredentials(f *finding) {
	f.want = "the group's password on every server and sentinel"
	version := 0
	if v.rec != nil {
		version = v.rec.CredentialsVersion
		f.want += fmt.Sprintf(", version %d", version)
	}
	all := slices.Concat(live(v.servers), live(v.sentinels))
	f.seen = fmt.Sprintf("version %d on %s", version, count(len(all), "instance"))
	for _, m := range all {
		f.rest(m)
		for _, wrong := range m.wrongCredentials() {
			f.fail(wrong, "of", string(m.id), "on", m.node, "is not the group's")
		}
		if m.inst.SecretVersion != version {
			f.fail(fmt.Sprintf("%s on %s has version %d", m.id, m.node, m.inst.SecretVersion))
		}
	}
}

func (m *member) wrongCredentials() []string {
	var out []string
	if m.kind == fleet.KindSentinel {
		if !m.inst.Sentinel.PasswordOK {
			out = append(out, "requirepass")
		}
		return out
	}
	if !m.inst.Redis.PasswordOK {
		out = append(out, "requirepass")
	}
	if !m.inst.Redis.MasterAuthOK {
		out = append(out, "masterauth")
	}
	return out
}

// checkPeerAuth: each server's own masterauth opens each other server, so that
// any of them can follow any other after a failover (hazard S9).
func (v *view) checkPeerAuth(f *finding) {
	f.want = "each server answers each other one's masterauth"
	pairs := 0
	for _, from := range live(v.servers) {
		f.rest(from)
		for _, to := range live(v.servers) {
			if from == to {
				continue
			}
			pairs++
			i := slices.IndexFunc(from.inst.Redis.Peers, func(p fleet.PeerProbe) bool { return p.Addr == to.addr })
			switch {
			case i < 0:
				f.fail(from.node, "has not tried", to.node)
			case from.inst.Redis.Peers[i].Error != "":
				f.fail(from.node, "at", to.node+":", from.inst.Redis.Peers[i].Error)
			}
		}
	}
	f.seen = count(pairs, "pair") + " answered"
}

// checkReadOnly: a replica takes no writes from clients.
func (v *view) checkReadOnly(f *finding) {
	replicas := v.liveReplicas()
	f.want = "replica-read-only on each replica"
	f.seen = count(len(replicas), "replica") + " read-only"
	for _, m := range replicas {
		f.rest(m)
		if !m.inst.Redis.ReadOnly {
			f.fail(m.node, "takes writes")
		}
	}
}

// checkWritePath: before the group serves, a write on the master was seen on
// every replica and a write on each replica was refused. Afterwards nothing is
// written and the record of it counts.
func (v *view) checkWritePath(f *finding) {
	f.want = "a write on the master seen on each replica, a write on a replica refused"
	switch {
	case v.rec == nil:
		f.fail("the group has not been formed")
		return
	case v.rec.WriteProved:
		f.seen = "proved when the group formed"
		return
	case v.rec.Adopted != nil:
		f.seen = "not tried: the group served already when it was adopted; links and offsets tell"
		return
	case v.rec.Probe == "":
		f.fail("never proved")
		return
	}
	f.seen = "the probe is on " + count(len(live(v.servers)), "server")
	for _, m := range live(v.servers) {
		f.rest(m)
		r := m.inst.Redis
		if r.ProbeSeen != v.rec.Probe {
			f.fail("the probe is not seen on", m.node)
		}
		if r.Role == fleet.RoleReplica && !r.WriteRefused {
			f.fail("no write was refused on", m.node)
		}
	}
}

// checkDrift: what redfleet sets is what runs.
func (v *view) checkDrift(f *finding) {
	f.want = "each server runs with the settings that were rendered"
	f.seen = "none"
	for _, m := range live(v.servers) {
		f.rest(m)
		if m.inst.Under != "" {
			f.seen += "; not compared on " + m.node + ", which was adopted and has not moved"
		}
		if drift := m.inst.Redis.Drift; len(drift) > 0 {
			f.fail(m.node, "differs in", strings.Join(drift, ", "))
		}
	}
}
