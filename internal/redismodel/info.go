package redismodel

import (
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// info writes the sections of INFO that somebody reads; all of them for "".
func (s *server) info(section string) string {
	var b strings.Builder
	add := func(name string, text func() string) {
		if section == "" || section == "all" || section == "everything" || section == "default" || strings.EqualFold(section, name) {
			fmt.Fprintf(&b, "# %s\r\n%s\r\n", name, strings.ReplaceAll(text(), "\n", "\r\n"))
		}
	}
	add("Server", func() string { return s.infoServer("standalone") })
	add("Clients", func() string { return fmt.Sprintf("connected_clients:%d\n", s.clients()) })
	add("Persistence", s.infoPersistence)
	add("Replication", s.infoReplication)
	add("Keyspace", s.infoKeyspace)
	return b.String()
}

func (d *desk) infoServer(mode string) string {
	return fmt.Sprintf("redis_version:%s\nredis_mode:%s\nprocess_id:%d\nrun_id:%s\ntcp_port:%d\nserver_time_usec:%d\nuptime_in_seconds:%d\nuptime_in_days:%d\n",
		Version, mode, d.p.id, d.runID, d.p.addr.Port, time.Now().UnixMicro(), secondsSince(d.boot), secondsSince(d.boot)/86400)
}

// clients counts connections but for replicas.
func (d *desk) clients() int {
	n := 0
	for _, s := range d.sessions {
		if s.replica == nil {
			n++
		}
	}
	return n
}

func (s *server) infoPersistence() string {
	word := func(failed bool) string {
		if failed {
			return "err"
		}
		return "ok"
	}
	return fmt.Sprintf("loading:%s\nasync_loading:0\nrdb_changes_since_last_save:%d\nrdb_bgsave_in_progress:0\nrdb_last_save_time:%d\nrdb_last_bgsave_status:%s\naof_enabled:%s\naof_rewrite_in_progress:0\naof_rewrite_scheduled:0\naof_last_bgrewrite_status:ok\naof_last_write_status:%s\n",
		flag(s.loading()), s.dirty, s.saved.Unix(), word(s.saveFailed), flag(s.yes("appendonly")), word(s.aof.failed))
}

func (s *server) infoKeyspace() string {
	if len(s.data) == 0 {
		return ""
	}
	return fmt.Sprintf("db0:keys=%d,expires=0,avg_ttl=0\n", len(s.data))
}

func (s *server) infoReplication() string {
	var b strings.Builder
	if s.master == (fleet.Addr{}) {
		b.WriteString("role:master\n")
	} else {
		s.infoLink(&b)
	}
	fmt.Fprintf(&b, "connected_slaves:%d\n", len(s.replicas))
	if atoi(s.set["min-replicas-to-write"]) > 0 {
		fmt.Fprintf(&b, "min_slaves_good_slaves:%d\n", s.goodReplicas())
	}
	for i, r := range s.replicas {
		state := [...]string{"", "wait_bgsave", "send_bulk", "online"}[r.state]
		lag := int64(0)
		if r.state == replicaOnline {
			lag = lagOf(r)
		}
		fmt.Fprintf(&b, "slave%d:ip=%s,port=%d,state=%s,offset=%d,lag=%d\n", i, r.addr.Host, r.addr.Port, state, r.acked, lag)
	}
	fmt.Fprintf(&b, "master_failover_state:no-failover\nmaster_replid:%s\nmaster_replid2:%s\nmaster_repl_offset:%d\nsecond_repl_offset:%d\nrepl_backlog_active:%s\nrepl_backlog_size:%d\nrepl_backlog_first_byte_offset:%d\nrepl_backlog_histlen:%d\n",
		s.replid, s.replid2, s.offset, s.second, flag(s.active), size(s.set["repl-backlog-size"]), s.from, s.kept)
	return b.String()
}

// infoLink is the part that only a replica has.
func (s *server) infoLink(b *strings.Builder) {
	status, ago := "down", int64(-1)
	if s.link.phase == linkUp {
		status, ago = "up", secondsSince(s.link.heard)
	}
	offset := int64(1)
	if s.link.phase == linkUp || s.link.cached {
		offset = s.offset
	}
	fmt.Fprintf(b, "role:slave\nmaster_host:%s\nmaster_port:%d\nmaster_link_status:%s\nmaster_last_io_seconds_ago:%d\nmaster_sync_in_progress:%s\nslave_read_repl_offset:%d\nslave_repl_offset:%d\n",
		s.master.Host, s.master.Port, status, ago, flag(s.link.phase == linkSync), offset, offset)
	if s.link.phase != linkUp {
		down := int64(-1)
		if !s.link.downSince.IsZero() {
			down = secondsSince(s.link.downSince)
		}
		fmt.Fprintf(b, "master_link_down_since_seconds:%d\n", down)
	}
	fmt.Fprintf(b, "slave_priority:%s\nslave_read_only:%s\nreplica_announced:%s\n",
		s.set["replica-priority"], flag(s.yes("replica-read-only")), flag(s.yes("replica-announced")))
}

// role is the reply of ROLE.
func (s *server) role() value {
	if s.master == (fleet.Addr{}) {
		list := items()
		for _, r := range s.replicas {
			if r.state == replicaOnline {
				list.list = append(list.list, strs(r.addr.Host, fmt.Sprint(r.addr.Port), fmt.Sprint(r.acked)))
			}
		}
		return items(str("master"), num(s.offset), list)
	}
	offset := int64(-1)
	if s.link.phase == linkUp {
		offset = s.offset
	}
	return items(str("slave"), str(s.master.Host), num(int64(s.master.Port)), str(s.link.phase.String()), num(offset))
}
