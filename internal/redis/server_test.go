package redis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

func TestObserveMasterAndReplica(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t, "appendonly yes")
	r := replicaOf(t, m, "replica-priority 7")
	mc, rc := dial(t, m.addr, password), dial(t, r.addr, password)
	for i := range 3 {
		if err := mc.Set(ctx, fmt.Sprint("key", i), "value"); err != nil {
			t.Fatal(err)
		}
	}
	var master, replica redis.Info
	until(t, "the replica has all of it", func() bool {
		var err1, err2 error
		master, err1 = mc.Observe(ctx)
		replica, err2 = rc.Observe(ctx)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return replica.Keys == 3 && len(master.Replicas) == 1 && master.Replicas[0].LagBytes == 0 && replica.Offset == master.Offset
	})
	if len(master.RunID) != 40 || len(master.ReplID) != 40 || master.Offset == 0 || master.Clients == 0 {
		t.Errorf("master: %+v", master)
	}
	ignore := cmpopts.IgnoreFields(redis.Info{}, "RunID", "Uptime", "Clients")
	zeros := strings.Repeat("0", 40)
	want := redis.Info{
		Engine: "redis", Version: "7.0.15", Role: fleet.RoleMaster,
		ReplID: master.ReplID, ReplID2: zeros, SecondOffset: -1, Offset: master.Offset,
		Replicas: []redis.Replica{{Addr: r.addr, State: "online", Offset: master.Offset}},
		AOF:      true, SaveOK: true, AOFOK: true, Keys: 3,
		ReplicaReadOnly: true, ReplicaPriority: 100, PasswordOK: true, MasterAuthOK: true,
	}
	if diff := cmp.Diff(want, master, ignore); diff != "" {
		t.Errorf("master (-want +got):\n%s", diff)
	}
	want = redis.Info{
		Engine: "redis", Version: "7.0.15", Role: fleet.RoleReplica,
		ReplID: master.ReplID, ReplID2: zeros, SecondOffset: -1, Offset: master.Offset, Master: m.addr, LinkUp: true,
		SaveOK: true, AOFOK: true, Keys: 3,
		ReplicaReadOnly: true, ReplicaPriority: 7, PasswordOK: true, MasterAuthOK: true,
	}
	if diff := cmp.Diff(want, replica, ignore); diff != "" {
		t.Errorf("replica (-want +got):\n%s", diff)
	}
}

func TestRole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	r := replicaOf(t, m)
	mc, rc := dial(t, m.addr, password), dial(t, r.addr, password)
	master, err := mc.Role(ctx)
	if err != nil || master.Role != fleet.RoleMaster {
		t.Errorf("role of the master: %+v, %v", master, err)
	}
	until(t, "the replica is connected", func() bool {
		got, err := rc.Role(ctx)
		return err == nil && cmp.Equal(got, redis.Role{
			Role: fleet.RoleReplica, Master: m.addr, LinkState: "connected", Offset: got.Offset,
		})
	})
	if err := rc.ReplicaOf(ctx, fleet.Addr{}); err != nil {
		t.Fatal(err)
	}
	if got, err := rc.Role(ctx); err != nil || got.Role != fleet.RoleMaster {
		t.Errorf("role after REPLICAOF NO ONE: %+v, %v", got, err)
	}
	if err := rc.ReplicaOf(ctx, m.addr); err != nil {
		t.Fatal(err)
	}
	if got, err := rc.Role(ctx); err != nil || got.Master != m.addr {
		t.Errorf("role after REPLICAOF: %+v, %v", got, err)
	}
}

func TestReplicaLinkDown(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	r := secured(t, fmt.Sprintf("replicaof %s %d", m.addr.Host, m.addr.Port), "masterauth wrong")
	in, err := dial(t, r.addr, password).Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if in.LinkUp || in.LinkDownFor >= 0 || in.MasterAuthOK || !in.PasswordOK {
		t.Errorf("a replica with a wrong masterauth: %+v", in)
	}
}

func TestWritesAndProbeKey(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	r := replicaOf(t, m)
	mc, rc := dial(t, m.addr, password), dial(t, r.addr, password)
	key := fleet.ProbeKey("main")
	if _, found, err := mc.Get(ctx, key); found || err != nil {
		t.Errorf("key before SET: %v, %v", found, err)
	}
	if err := mc.Set(ctx, key, "seen"); err != nil {
		t.Fatal(err)
	}
	until(t, "the replica shows the key", func() bool {
		v, found, err := rc.Get(ctx, key)
		return err == nil && found && v == "seen"
	})
	if err := rc.Set(ctx, key, "x"); !errors.Is(err, redis.ErrReadOnly) {
		t.Errorf("write to a replica: %v", err)
	}
	for range 2 {
		if err := mc.Del(ctx, key); err != nil {
			t.Errorf("del: %v", err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	c := dial(t, m.addr, password)
	if err := c.ConfigSet(ctx, "maxmemory", "64mb"); err != nil {
		t.Fatal(err)
	}
	got, err := c.ConfigGet(ctx, "maxmemory", "no-such-directive", "appendonly")
	if diff := cmp.Diff(map[string]string{"maxmemory": "67108864", "appendonly": "no"}, got); err != nil || diff != "" {
		t.Errorf("config: %v\n%s", err, diff)
	}
	if err := c.ConfigRewrite(ctx); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.conf())
	if err != nil || !strings.Contains(string(text), "maxmemory 64mb") {
		t.Errorf("after CONFIG REWRITE: %v\n%s", err, text)
	}
	// Hazard S15: the folder is gone, as one that cannot be written is for all but root.
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigRewrite(ctx); err == nil {
		t.Error("CONFIG REWRITE into a folder that is not there gave no error")
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestPasswords: what is refused, what is not asked for, and that no error
// repeats a password.
func TestPasswords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	withPassword, without, other := secured(t), server(t), secured(t)
	for _, c := range []struct {
		name     string
		addr     fleet.Addr
		password string
		want     error
	}{
		{"right", withPassword.addr, password, nil},
		{"wrong", withPassword.addr, "planted-wrong", redis.ErrAuth},
		{"none given", withPassword.addr, "", redis.ErrAuth},
	} {
		if err := redis.Probe(ctx, c.addr, c.password); !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(err), "planted") {
			t.Errorf("%s: probe: %v; want %v", c.name, err, c.want)
		}
		_, err := dial(t, c.addr, c.password).Observe(ctx)
		if !errors.Is(err, c.want) || strings.Contains(fmt.Sprint(err), "planted") {
			t.Errorf("%s: observe: %v; want %v", c.name, err, c.want)
		}
	}
	in, err := dial(t, without.addr, password).Observe(ctx)
	if err != nil || in.PasswordOK || in.MasterAuthOK {
		t.Errorf("a server without a password: %+v, %v", in, err)
	}
	// On a connection that was authenticated before the change.
	c := dial(t, other.addr, password)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigSet(ctx, "requirepass", "another"); err != nil {
		t.Fatal(err)
	}
	if in, err := c.Observe(ctx); err != nil || in.PasswordOK || !in.MasterAuthOK {
		t.Errorf("after requirepass was changed: %+v, %v", in, err)
	}
	if err := redis.Probe(ctx, other.addr, password); !errors.Is(err, redis.ErrAuth) {
		t.Errorf("probe after requirepass was changed: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "planted") {
			t.Errorf("%s of a client shows the password: %s", verb, text)
		}
	}
}

func TestConfigSetNeverRepeatsAValue(t *testing.T) {
	t.Parallel()
	c := dial(t, secured(t).addr, password)
	for _, name := range []string{"requirepass", "masterauth", "no-such-directive", "maxmemory"} {
		err := c.ConfigSet(t.Context(), name, "planted-value\n"+strings.Repeat("x", 600))
		if strings.Contains(fmt.Sprint(err), "planted") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnreachable: nothing listens; then it does, and the very next call works.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t)
	c := dial(t, m.addr, password)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	m.kill()
	for range 10 {
		if _, err := c.Observe(ctx); !errors.Is(err, redis.ErrUnreachable) {
			t.Errorf("observe of a dead server: %v", err)
		}
	}
	if err := redis.Probe(ctx, m.addr, password); !errors.Is(err, redis.ErrUnreachable) {
		t.Errorf("probe of a dead server: %v", err)
	}
	m.start(t)
	if _, err := c.Observe(ctx); err != nil {
		t.Errorf("first call after the start: %v", err)
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	m := secured(t, "enable-debug-command yes")
	sleeper := redis.DialTimeout(m.addr, password, 300*time.Millisecond)
	defer func() { _ = sleeper.Close() }()
	// Its limit is short for a busy machine.
	until(t, "an answer within the limit", func() bool { return sleeper.Ping(t.Context()) == nil })
	stop(t, m)
	defer cont(t, m)
	if err := sleeper.Ping(t.Context()); !errors.Is(err, redis.ErrUnreachable) {
		t.Errorf("own limit: %v", err)
	}
	// Once is enough to show that it is not the client's own limit that ends it: a busy
	// machine lets this test wait as long.
	until(t, "the context's deadline of 20 ms ends a call before the client's own limit", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := redis.Probe(ctx, m.addr, password); !errors.Is(err, redis.ErrUnreachable) {
			t.Errorf("limit of the context: %v", err)
		}
		return time.Since(begin) < redis.DefaultTimeout
	})
}

// TestLoading: a server that loads its dataset is seen as such, and is no
// failure.
func TestLoading(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := secured(t, "loading-process-events-interval-bytes 1024", "dbfilename dump.rdb", "rdbcompression no")
	c := dial(t, m.addr, password)
	for i := range 100 {
		if err := c.Set(ctx, fmt.Sprint("key", i), strings.Repeat("x", 2000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Shutdown(ctx, false); err != nil {
		t.Fatalf("shutdown: %v", err)
	}
	_ = m.cmd.Wait()
	if _, err := os.Stat(filepath.Join(m.dir, "dump.rdb")); err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(m.conf())
	if err != nil {
		t.Fatal(err)
	}
	// Microseconds that the engine sleeps for each key that it loads.
	if err := os.WriteFile(m.conf(), append(conf, "key-load-delay 100000\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	slow := redis.DialTimeout(m.addr, password, 10*time.Second)
	defer func() { _ = slow.Close() }()
	in, err := slow.Observe(ctx)
	if err != nil || !in.Loading || !in.PasswordOK {
		t.Errorf("observe while loading: %+v, %v", in, err)
	}
	if err := slow.Ping(ctx); !errors.Is(err, redis.ErrLoading) {
		t.Errorf("ping while loading: %v", err)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	m := secured(t)
	c := dial(t, m.addr, password)
	if err := c.Shutdown(t.Context(), true); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	_ = m.cmd.Wait()
	if err := c.Shutdown(t.Context(), true); !errors.Is(err, redis.ErrUnreachable) {
		t.Errorf("shutdown of a server that is gone: %v", err)
	}
}
