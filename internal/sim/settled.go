package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/redfleet/redfleet/coordinator/assess"
	requests "github.com/redfleet/redfleet/coordinator/request"
	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/redis"
)

// settle waits until the fleet has come to rest after the last fault, and says
// what is wrong when it does not.
func (w *World) settle(ctx context.Context) {
	if w.schedule.recovers() {
		w.recoverAtLast(ctx)
	}
	if !w.hasSpec() { // an operator applies again what Consul lost
		w.clients.apply(ApplyAgain)
	}
	w.judge.mu.Lock()
	excused := w.judge.lostConsul
	w.judge.mu.Unlock()
	beyond := w.judge.beyond() || w.judge.minority() || w.tooSmall()
	most := settleMost + w.schedule.patience()
	if w.judge.twins() { // the name is free when the twin's session has ended
		most += 250 * time.Second
	}
	var data, verdict string
	for w.now() < w.schedule.end()+most && ctx.Err() == nil {
		pause(ctx, time.Second)
		data = w.dataPlane(ctx)
		if beyond && w.now() > w.schedule.end()+20*time.Second {
			break
		}
		if data != "" {
			w.mendOvertaken(ctx)
			w.promoteBehind(ctx)
			w.restartLeader()
			continue
		}
		if verdict = w.verdict(); verdict == "" && !excused {
			verdict = w.strangers(ctx)
		}
		w.flushUnwritten(verdict)
		w.stopStrays(verdict)
		w.forgetTwin(ctx, verdict)
		if verdict == "" || excused && w.now() > w.schedule.end()+10*time.Second {
			break
		}
	}
	w.noteRequests()
	switch {
	case data != "" && beyond:
		return
	case data != "":
		w.fail("resumable", "not at rest %v after the last fault: %s", most, data)
		return
	case verdict != "" && !excused && !beyond: // nobody waited for what is beyond
		w.fail("resumable", "not serving %v after the last fault: %s", most, verdict)
	}
	w.trace("judge", "settled at %v: %s", w.now(), verdict)
	w.kept(ctx)
}

func (w *World) hasSpec() bool {
	return w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Spec(), nil).Code == http.StatusOK
}

// dataPlane asks every instance of group main itself.
func (w *World) dataPlane(ctx context.Context) string {
	password := w.clients.secret()
	if password == "" {
		return "the group has no password yet"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	via := redis.Network{Dialer: dialer{w}}
	var master fleet.Addr
	for _, n := range w.members() {
		c := via.Server(fleet.Addr{Host: n.host, Port: 6379}, password)
		info, err := c.Observe(ctx)
		_ = c.Close()
		switch {
		case err != nil:
			return err.Error()
		case info.Role == fleet.RoleMaster && master != fleet.Addr{}:
			return fmt.Sprintf("two masters: %s and %s", master, n.host)
		case info.Role == fleet.RoleMaster:
			master = fleet.Addr{Host: n.host, Port: 6379}
		case !info.LinkUp:
			return n.host + " has no link to " + info.Master.String()
		}
	}
	for _, n := range w.members() {
		c := via.Sentinel(fleet.Addr{Host: n.host, Port: 26379}, password)
		addr, err := c.GetMasterAddr(ctx, "main")
		_ = c.Close()
		if err != nil {
			return err.Error()
		}
		if addr != master {
			return fmt.Sprintf("the sentinel on %s names %s, the master is %s", n.host, addr, master)
		}
	}
	return ""
}

// dialer connects from where the clients are.
type dialer struct{ w *World }

func (d dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.w.judge.ctx, cancel)()
	return d.w.redis.DialContext(ctx, clientHost, network, addr)
}

// verdict is what `redfleet verify` says; empty when every group serves.
func (w *World) verdict() string {
	rec := w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Prefix()+"?recurse", nil)
	var pairs []struct {
		Key, Session             string
		Value                    []byte
		ModifyIndex, CreateIndex uint64
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &pairs); err != nil {
		return "Consul holds nothing"
	}
	var entries []consul.Entry
	for _, p := range pairs {
		entries = append(entries, consul.Entry{Key: p.Key, Value: p.Value, Index: p.ModifyIndex, CreateIndex: p.CreateIndex, Session: p.Session})
	}
	groups := assess.Fleet(records.WorldOf(fleetName, entries, time.Now()))
	if len(groups) == 0 {
		return "there is no group"
	}
	for _, a := range groups {
		if a.State != fleet.GroupServing && !w.judge.unnamed(a.Name) {
			return fmt.Sprintf("group %s is %s: %s", a.Name, a.State, a.Reason)
		}
	}
	return ""
}

// kept: what every server had is still there (data-wins, no-empty-master).
func (w *World) kept(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	in := w.members()
	if len(in) == 0 {
		w.fail("data-wins", "the record of group main names no server")
		return
	}
	master, err := w.clients.ask(ctx, in[0].host)
	if err != nil {
		w.fail("simulation", "%v", err)
		return
	}
	gone, safe, err := w.clients.missing(ctx, master)
	if err != nil {
		w.fail("simulation", "%v", err)
		return
	}
	w.cover.safe(safe)
	if len(gone) > 0 {
		w.fail("data-wins", "%d of %d writes that every server had are gone from %s", len(gone), safe, master)
	}
}

// noteRequests notes, for whoever reads, how far each request of an operator is.
func (w *World) noteRequests() {
	rec := w.consul.ask(http.MethodGet, "/v1/kv/"+keys.Requests()+"?recurse", nil)
	var pairs []struct{ Value []byte }
	if json.Unmarshal(rec.Body.Bytes(), &pairs) != nil {
		return
	}
	for _, p := range pairs {
		var r fleet.Request
		if json.Unmarshal(p.Value, &r) == nil {
			w.note("judge", "request "+r.ID+": "+requests.InWords(r))
		}
	}
}
