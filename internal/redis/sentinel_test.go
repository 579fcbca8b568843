package redis_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// downAfter is longer than any process here has to wait for a core: nobody is taken for
// down who is not.
const downAfter = 30 * time.Second

// soonDown is for a test that waits for s_down.
const soonDown = 300 * time.Millisecond

// looksSoon is the line of a sentinel for such a test; later lines win.
func looksSoon() string {
	return fmt.Sprintf("sentinel down-after-milliseconds main %d", soonDown.Milliseconds())
}

// id is a sentinel's myid.
func id(n int) string { return fmt.Sprintf("%040x", 0xabc0+n) }

// sentinel starts a sentinel that watches main on a master.
func sentinel(t *testing.T, n int, master fleet.Addr, lines ...string) *process {
	t.Helper()
	addr := freeAddr(t)
	return launch(t, "redis-sentinel", addr, append([]string{
		"requirepass " + password,
		"sentinel sentinel-pass " + password,
		"sentinel myid " + id(n),
		"sentinel announce-ip " + addr.Host,
		fmt.Sprintf("sentinel announce-port %d", addr.Port),
		fmt.Sprintf("sentinel monitor main %s %d 2", master.Host, master.Port),
		"sentinel auth-pass main " + password,
		fmt.Sprintf("sentinel down-after-milliseconds main %d", downAfter.Milliseconds()),
	}, lines...)...)
}

// knows is the line of a seeded peer.
func knows(peer fleet.Addr, n int) string {
	return fmt.Sprintf("sentinel known-sentinel main %s %d %s", peer.Host, peer.Port, id(n))
}

func observe(t *testing.T, c *redis.SentinelClient, quorum bool) redis.View {
	t.Helper()
	v, err := c.Observe(t.Context(), "main", quorum)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// peer finds a sentinel's view of a peer.
func peer(v redis.View, addr fleet.Addr) fleet.SeenInstance {
	for _, p := range v.Report.Peers {
		if p.Addr == addr {
			return p
		}
	}
	return fleet.SeenInstance{}
}

// TestHello: sentinels that know nothing of each other do so, and have answered
// each other, as soon as they are told; and nothing else changes.
func TestHello(t *testing.T) {
	t.Parallel()
	m := secured(t)
	var all []*process
	var clients []*redis.SentinelClient
	for n := range 3 {
		all = append(all, sentinel(t, n, m.addr))
		clients = append(clients, dialSentinel(t, all[n].addr))
	}
	before := make([]redis.View, 3)
	for n, c := range clients {
		before[n] = observe(t, c, false)
	}
	begin := time.Now()
	for n, c := range clients {
		for p := range all {
			if p == n {
				continue
			}
			err := c.Hello(t.Context(), redis.Hello{
				Addr: all[p].addr, MyID: id(p), MasterName: "main", Master: m.addr,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for n, c := range clients {
		until(t, "every peer has answered", func() bool {
			v := observe(t, c, false)
			for p := range all {
				if p != n && !peer(v, all[p].addr).Reached {
					return false
				}
			}
			return len(v.Report.Peers) == 2
		})
	}
	// By the sentinels' own hello it takes up to 2 s (hazard S1).
	t.Logf("each ordered pair reached after %v", time.Since(begin).Round(time.Millisecond))
	for n, c := range clients {
		after := observe(t, c, true)
		for p := range all {
			if p != n && peer(after, all[p].addr).ID != id(p) {
				t.Errorf("sentinel %d sees %+v", n, after.Report.Peers)
			}
		}
		if after.Report.CKQuorum != "" || after.Report.Usable != 3 {
			t.Errorf("sentinel %d: %d usable, %s", n, after.Report.Usable, after.Report.CKQuorum)
		}
		ignore := cmpopts.IgnoreFields(fleet.SentinelReport{}, "Peers", "Usable", "Replicas", "MasterFlags")
		if diff := cmp.Diff(before[n].Report, after.Report, ignore); diff != "" {
			t.Errorf("sentinel %d (-before +after):\n%s", n, diff)
		}
		text, err := os.ReadFile(all[n].conf())
		if err != nil || !strings.Contains(string(text), "sentinel current-epoch 0") ||
			!strings.Contains(string(text), "sentinel config-epoch main 0") {
			t.Errorf("sentinel %d: %v\n%s", n, err, text)
		}
	}
}

func TestHelloIsRefused(t *testing.T) {
	t.Parallel()
	c := dialSentinel(t, sentinel(t, 0, freeAddr(t)).addr)
	err := c.Hello(t.Context(), redis.Hello{Addr: fleet.Addr{Host: "a,b", Port: 1}, MyID: id(1), MasterName: "main"})
	if err == nil {
		t.Error("a comma in a host gave no error")
	}
}

// TestReachedIsAnAnswer: hazard S21. Peers are seeded, so they are known from
// the start; only an answered PING makes one reached.
func TestReachedIsAnAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// lines of the sentinel that looks.
		lines []string
		// frozen: the peer accepts connections and answers nothing.
		frozen bool
		// silent: nothing listens at the peer's address.
		silent bool
		want   bool
	}{
		{name: "a good peer", want: true},
		{name: "a wrong sentinel-pass", lines: []string{"sentinel sentinel-pass wrong"}},
		{name: "a frozen peer", frozen: true},
		{name: "nobody at the address", silent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := secured(t)
			addr := freeAddr(t)
			if !c.silent {
				p := sentinel(t, 1, m.addr)
				addr = p.addr
				if c.frozen {
					stop(t, p)
				}
			}
			looks := dialSentinel(t, sentinel(t, 0, m.addr, append(c.lines, looksSoon(), knows(addr, 1))...).addr)
			if c.want {
				until(t, "the peer is reached", func() bool { return peer(observe(t, looks, false), addr).Reached })
			}
			// Long enough for two PINGs, and at no look otherwise.
			looked := 0
			for end := time.Now().Add(2 * soonDown); time.Now().Before(end); looked++ {
				v := observe(t, looks, false)
				if peer(v, addr).Reached == c.want {
					continue
				}
				// A sentinel that loses its core between the two ages that it writes
				// shows what is not so; the next look cannot.
				if v := observe(t, looks, false); peer(v, addr).Reached != c.want {
					t.Fatalf("look %d: %+v", looked, v.Report.Peers)
				}
			}
			t.Logf("%d looks", looked)
			usable := map[bool]int{true: 2, false: 1}[c.want]
			until(t, "flags, CKQUORUM and the usable ones say the same", func() bool {
				v := observe(t, looks, true)
				down := strings.Contains(peer(v, addr).Flags, "s_down")
				return down != c.want && v.Report.Usable == usable && (v.Report.CKQuorum == "") == c.want
			})
		})
	}
}

// TestReachedAfterThaw: what was not reached is, once it answers; and stays so
// when it dies, while its flags tell that it is down.
func TestReachedAfterThaw(t *testing.T) {
	t.Parallel()
	m := secured(t)
	p := sentinel(t, 1, m.addr)
	stop(t, p)
	looks := dialSentinel(t, sentinel(t, 0, m.addr, looksSoon(), knows(p.addr, 1)).addr)
	if v := observe(t, looks, false); peer(v, p.addr).Reached {
		t.Errorf("a frozen peer is reached: %+v", v.Report.Peers)
	}
	cont(t, p)
	until(t, "the peer is reached", func() bool { return peer(observe(t, looks, false), p.addr).Reached })
	p.kill()
	until(t, "the peer is down", func() bool {
		return strings.Contains(peer(observe(t, looks, false), p.addr).Flags, "s_down")
	})
	if v := observe(t, looks, false); !peer(v, p.addr).Reached {
		t.Errorf("it had answered since the start: %+v", v.Report.Peers)
	}
}

func TestSentinelObserve(t *testing.T) {
	t.Parallel()
	m := secured(t)
	r := replicaOf(t, m)
	none := replicaOf(t, m, "replica-priority 0")
	s := sentinel(t, 0, m.addr,
		fmt.Sprintf("sentinel known-replica main %s %d", r.addr.Host, r.addr.Port),
		fmt.Sprintf("sentinel known-replica main %s %d", none.addr.Host, none.addr.Port))
	c := dialSentinel(t, s.addr)
	var v redis.View
	until(t, "INFO of both replicas is there", func() bool {
		v = observe(t, c, true)
		return len(v.Replicas) == 2 && v.Replicas[0].LinkUp && v.Replicas[1].LinkUp && len(v.Master.RunID) == 40 &&
			v.Report.Replicas[0].Reached && v.Report.Replicas[1].Reached
	})
	want := fleet.SentinelReport{
		Version: "7.0.15", MyID: id(0), Monitored: []string{"main"}, Master: m.addr,
		MasterFlags: "master", Quorum: 2, Usable: 1, PasswordOK: true,
		Replicas: []fleet.SeenInstance{
			{Addr: r.addr, Flags: "slave", Reached: true, Promotable: true, Priority: 100},
			{Addr: none.addr, Flags: "slave", Reached: true, Priority: 0},
		},
		CKQuorum: v.Report.CKQuorum,
	}
	byAddr := cmpopts.SortSlices(func(a, b fleet.SeenInstance) bool { return a.Priority > b.Priority })
	if diff := cmp.Diff(want, v.Report, byAddr); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(v.Report.CKQuorum, "NOQUORUM") {
		t.Errorf("CKQUORUM of one sentinel with quorum 2: %q", v.Report.CKQuorum)
	}
	if v.Master.DownAfter != downAfter || v.Master.NumReplicas != 2 || v.Master.NumSentinels != 0 || len(v.RunID) != 40 {
		t.Errorf("master: %+v", v.Master)
	}
	for _, i := range v.Replicas {
		if i.Master != m.addr || i.LinkDownFor != 0 {
			t.Errorf("replica: %+v", i)
		}
	}
}

func TestSentinelCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	c := dialSentinel(t, sentinel(t, 0, m.addr).addr)
	if got, err := c.MyID(ctx); got != id(0) || err != nil {
		t.Errorf("myid: %s, %v", got, err)
	}
	if got, err := c.GetMasterAddr(ctx, "main"); got != m.addr || err != nil {
		t.Errorf("master's address: %v, %v", got, err)
	}
	if got, err := c.Master(ctx, "main"); got.Addr != m.addr || got.Quorum != 2 || err != nil {
		t.Errorf("master: %+v, %v", got, err)
	}
	if got, err := c.Sentinels(ctx, "main"); len(got) != 0 || err != nil {
		t.Errorf("sentinels: %v, %v", got, err)
	}
	if err := c.CKQuorum(ctx, "main"); !errors.Is(err, redis.ErrNoQuorum) {
		t.Errorf("ckquorum: %v", err)
	}
	if err := c.Failover(ctx, "main"); !errors.Is(err, redis.ErrNoGoodReplica) {
		t.Errorf("failover without a replica: %v", err)
	}
	_, err := c.GetMasterAddr(ctx, "other")
	_, err2 := c.Master(ctx, "other")
	_, err3 := c.Replicas(ctx, "other")
	for _, err := range []error{err, err2, err3, c.CKQuorum(ctx, "other"), c.Failover(ctx, "other")} {
		if !errors.Is(err, redis.ErrNoMaster) {
			t.Errorf("a master that it does not watch: %v", err)
		}
	}
	v, err := c.Observe(ctx, "other", true)
	if err != nil || v.Report.Master != (fleet.Addr{}) || !cmp.Equal(v.Report.Monitored, []string{"main"}) {
		t.Errorf("observe of a master that it does not watch: %+v, %v", v, err)
	}
}

func TestFailover(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	r := replicaOf(t, m)
	c := dialSentinel(t, sentinel(t, 0, m.addr,
		fmt.Sprintf("sentinel known-replica main %s %d", r.addr.Host, r.addr.Port)).addr)
	until(t, "the replica can be promoted", func() bool {
		v := observe(t, c, false)
		return len(v.Report.Replicas) == 1 && v.Report.Replicas[0].Promotable
	})
	stop(t, r) // the failover waits for it
	if err := c.Failover(ctx, "main"); err != nil {
		t.Fatal(err)
	}
	if err := c.Failover(ctx, "main"); !errors.Is(err, redis.ErrInProgress) {
		t.Errorf("a second request: %v", err)
	}
	if v := observe(t, c, false); v.Master.FailoverState == "" {
		t.Errorf("during a failover: %+v", v.Master)
	}
	cont(t, r)
	until(t, "the replica is the master", func() bool {
		v := observe(t, c, false)
		return v.Report.Master == r.addr && v.Report.ConfigEpoch == 1
	})
}

// TestHelloLeadsToTheMaster: a sentinel that began to watch a master which ended then
// knows nobody, and nobody knows it; once a peer is made known to it, it learns from
// that one who took over.
func TestHelloLeadsToTheMaster(t *testing.T) {
	t.Parallel()
	m := secured(t)
	r := replicaOf(t, m)
	old := sentinel(t, 0, m.addr, fmt.Sprintf("sentinel known-replica main %s %d", r.addr.Host, r.addr.Port))
	c := dialSentinel(t, old.addr)
	until(t, "the replica can be promoted", func() bool {
		v := observe(t, c, false)
		return len(v.Report.Replicas) == 1 && v.Report.Replicas[0].Promotable
	})
	if err := c.Failover(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	until(t, "the replica is the master", func() bool { return observe(t, c, false).Report.Master == r.addr })
	m.kill()
	late := dialSentinel(t, sentinel(t, 1, m.addr).addr)
	if v := observe(t, late, false); v.Report.Master != m.addr || len(v.Report.Peers) > 0 {
		t.Fatalf("the late one begins with %+v", v.Report)
	}
	err := late.Hello(t.Context(), redis.Hello{Addr: old.addr, MyID: id(0), MasterName: "main", Master: m.addr})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the late one names the master", func() bool {
		v := observe(t, late, false)
		return v.Report.Master == r.addr && v.Report.ConfigEpoch == 1
	})
	until(t, "the other one knows it", func() bool { return len(observe(t, c, false).Report.Peers) == 1 })
}

func TestSentinelPassword(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	open := launch(t, "redis-sentinel", addr, "sentinel monitor main 127.0.0.1 1 1")
	if v := observe(t, dialSentinel(t, open.addr), false); v.Report.PasswordOK {
		t.Error("a sentinel without a password has ours")
	}
	closed := sentinel(t, 0, freeAddr(t))
	c := redis.DialSentinel(closed.addr, "wrong")
	defer func() { _ = c.Close() }()
	if _, err := c.Observe(t.Context(), "main", false); !errors.Is(err, redis.ErrAuth) {
		t.Errorf("observe with a wrong password: %v", err)
	}
}

// TestReset: a sentinel forgets whom it knew and stays with its master; a name that is
// a pattern means itself; and its quorum is its own (hazards S5, S7).
func TestReset(t *testing.T) {
	t.Parallel()
	m := secured(t)
	a, b := sentinel(t, 0, m.addr), sentinel(t, 1, m.addr)
	c := dialSentinel(t, a.addr)
	hello := redis.Hello{Addr: b.addr, MyID: id(1), MasterName: "main", Master: m.addr}
	if err := c.Hello(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	until(t, "the peer is known", func() bool { return len(observe(t, c, false).Report.Peers) == 1 })
	before := observe(t, c, false)
	b.kill() // else it makes itself known again at once
	for _, pattern := range []string{"*", "m?in", "[m]ain", "other"} {
		if err := c.Reset(t.Context(), pattern); !errors.Is(err, redis.ErrNoMaster) {
			t.Errorf("RESET of %q gave %v", pattern, err)
		}
	}
	if n := len(observe(t, c, false).Report.Peers); n != 1 {
		t.Fatalf("a pattern was taken for one: %d peers are left", n)
	}
	if err := c.Reset(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	after := observe(t, c, false)
	if len(after.Report.Peers) != 0 || after.Report.Master != m.addr || after.Report.MyID != before.Report.MyID {
		t.Errorf("after RESET: %+v", after.Report)
	}
	if err := c.SetQuorum(t.Context(), "main", before.Report.Quorum+1); err != nil {
		t.Fatal(err)
	}
	if got := observe(t, c, false).Report.Quorum; got != before.Report.Quorum+1 {
		t.Errorf("the quorum is %d", got)
	}
	if err := c.SetQuorum(t.Context(), "other", 1); !errors.Is(err, redis.ErrNoMaster) {
		t.Errorf("SET of another master gave %v", err)
	}
}
