package redismodel

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

// onModels runs f in a bubble, on models alone: what cannot be done to a real
// program without a machine of its own.
func onModels(t *testing.T, seed uint64, f func(s *stage, w *World), opt ...func(*Options)) {
	synctest.Test(t, func(t *testing.T) {
		m := newModels(t, seed, opt...)
		f(newStage(t, m), m.w)
	})
}

// TestPowerLoss: a loss of power takes what was not synced, a kill takes nothing.
func TestPowerLoss(t *testing.T) {
	for _, c := range []struct {
		fsync string
		after time.Duration
		power bool
		want  string
	}{
		{"everysec", 10 * time.Millisecond, true, "nil"},
		{"everysec", 1100 * time.Millisecond, true, "v"},
		{"everysec", 10 * time.Millisecond, false, "v"},
		{"always", 0, true, "v"},
	} {
		t.Run(fmt.Sprintf("%s %v power %t", c.fsync, c.after, c.power), func(t *testing.T) {
			onModels(t, 1, func(s *stage, w *World) {
				s.serverConf(1, "appendonly yes", "appendfsync "+c.fsync)
				s.up(s.redis(1))
				time.Sleep(time.Second / 2)
				s.ask(s.redis(1), "SET", "k", "v")
				time.Sleep(c.after)
				if c.power {
					w.PowerOff(s.g.host(1))
					w.PowerOn(s.g.host(1))
				} else {
					s.end(s.redis(1), syscall.SIGKILL)
				}
				s.up(s.redis(1))
				if got := s.ask(s.redis(1), "GET", "k"); got != c.want {
					t.Errorf("k is %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestReadOnlyDisk: writes end, CONFIG REWRITE says why, and a sentinel does not
// start (S2).
func TestReadOnlyDisk(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.serverConf(1, "appendonly yes")
		s.up(s.redis(1))
		s.sentinelConf(1, 1, s.redis(1), nil)
		w.ReadOnly(s.dir, true)
		s.ask(s.redis(1), "SET", "k", "v")
		for _, c := range []struct{ command, want string }{
			{"SET k w", "MISCONF Errors writing to the AOF file: Read-only file system"},
			{"CONFIG REWRITE", "ERR Rewriting config file: Read-only file system"},
		} {
			if got := s.ask(s.redis(1), strings.Fields(c.command)...); got != c.want {
				t.Errorf("%s: %s, want %s", c.command, got, c.want)
			}
		}
		if _, err := s.g.start(s.confPath(s.sentinel(1)), true); err == nil {
			t.Error("a sentinel starts with a file that it cannot write")
		}
		w.ReadOnly(s.dir, false)
		time.Sleep(2 * time.Second)
		if got := s.ask(s.redis(1), "SET", "k", "w"); got != "OK" {
			t.Errorf("a write after the disk is back: %s", got)
		}
	})
}

// TestCut: a master that is cut off from everybody but its clients takes writes
// while a new one is made, and loses them when it is back.
func TestCut(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.prefer(2)
		s.group(3)
		for _, other := range []int{2, 3} {
			w.Cut(s.g.host(1), s.g.host(other))
			w.Cut(s.g.host(other), s.g.host(1))
		}
		s.await("2 is promoted", 10*time.Second, func() bool { return s.role(2) == "master" })
		if got := s.ask(s.redis(1), "SET", "lost", "1"); got != "OK" {
			t.Errorf("a write on the cut off master: %s", got)
		}
		for _, other := range []int{2, 3} {
			w.Heal(s.g.host(1), s.g.host(other))
			w.Heal(s.g.host(other), s.g.host(1))
		}
		s.await("1 is a replica of 2", 40*time.Second, func() bool { return s.role(1) == "slave of h2 connected" })
		s.await("its sentinel agrees", 20*time.Second, func() bool { return s.named(1) == "h2:6379" })
		if got := s.ask(s.redis(1), "GET", "lost"); got != "nil" {
			t.Errorf("the lost write is %s", got)
		}
	})
}

// TestOneWay: a master that hears and is not heard is down; TCP delivers what was
// sent in a short cut.
func TestOneWay(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.group(3)
		w.Cut(s.g.host(1), s.g.host(2))
		s.ask(s.redis(1), "SET", "k", "v")
		time.Sleep(time.Second)
		if got := s.ask(s.redis(2), "GET", "k"); got != "nil" {
			t.Errorf("k came through a cut: %s", got)
		}
		w.Heal(s.g.host(1), s.g.host(2))
		s.await("k arrives", 2*time.Second, func() bool { return s.ask(s.redis(2), "GET", "k") == "v" })
		for _, other := range []int{2, 3} {
			w.Cut(s.g.host(1), s.g.host(other))
		}
		s.await("another master", 15*time.Second, func() bool { return s.role(2) == "master" || s.role(3) == "master" })
	})
}

// TestPowerOfAHost: nobody hears of a host that goes, and it comes back empty of
// processes.
func TestPowerOfAHost(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.group(3, "appendonly yes")
		w.PowerOff(s.g.host(1))
		for _, addr := range []fleet.Addr{s.redis(1), s.sentinel(1)} {
			select {
			case <-s.procs[s.name(addr)].Done():
			default:
				t.Errorf("%s still runs", s.name(addr))
			}
			if _, err := s.g.start(s.confPath(addr), addr.Port == 26379); err == nil {
				t.Errorf("%s starts on a host that is off", s.name(addr))
			}
		}
		s.await("another master", 15*time.Second, func() bool { return s.role(2) == "master" || s.role(3) == "master" })
		w.PowerOn(s.g.host(1))
		s.up(s.redis(1))
		s.up(s.sentinel(1))
		s.await("1 is demoted", 40*time.Second, func() bool { return strings.HasPrefix(s.role(1), "slave of") })
		s.await("its sentinel has heard", 20*time.Second, func() bool { return s.named(1) == s.named(2) })
	})
}

// TestTakesWrites: a master that was asked to end and waits for a replica that does not
// answer runs on for shutdown-timeout, and takes no write (simulation, seed 1611).
func TestTakesWrites(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.group(3)
		p, ok := s.procs[s.name(s.redis(1))].(*Process)
		if !ok || !p.TakesWrites() {
			t.Fatal("the master takes no writes")
		}
		w.PowerOff(s.g.host(2))
		s.ask(s.redis(1), "SET", "k", "v")
		s.signal(s.redis(1), syscall.SIGTERM)
		time.Sleep(time.Second)
		if running, _ := p.Running(); !running || p.TakesWrites() {
			t.Errorf("while it waits: running %t, takes writes %t", running, p.TakesWrites())
		}
	})
}

// TestSameSeed: a seed tells the same story again, and another one another.
func TestSameSeed(t *testing.T) {
	story := func(seed uint64) (lines []string) {
		onModels(t, seed, func(s *stage, _ *World) {
			began := time.Now()
			killMaster(s)
			lines = append(lines, fmt.Sprint(time.Since(began)))
		}, func(o *Options) {
			began := time.Now()
			o.Trace = func(at time.Time, who, what string) {
				lines = append(lines, fmt.Sprint(at.Sub(began), " ", who, " ", what))
			}
		})
		return lines
	}
	a, b, c := story(7), story(7), story(8)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d differs:\n%s\n%s", i, a[i], b[i])
		}
	}
	if len(a) != len(b) || slices.Equal(a, c) {
		t.Errorf("%d and %d lines with one seed; another seed tells the same: %t", len(a), len(b), slices.Equal(a, c))
	}
}

// TestProductReadsModels: redfleet's own clients find in the models what they
// look for.
func TestProductReadsModels(t *testing.T) {
	onModels(t, 1, func(s *stage, w *World) {
		s.group(2)
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		defer cancel()
		network := redis.Network{Dialer: client{w, "10.9.0.200"}}
		master := network.Server(s.redis(1), s.password)
		defer master.Close()
		info, err := master.Observe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.Role != fleet.RoleMaster || len(info.Replicas) != 1 || info.Replicas[0].Addr != s.redis(2) || info.Replicas[0].State != "online" ||
			!info.PasswordOK || !info.MasterAuthOK || info.ReplicaPriority != 100 || !info.SaveOK || !info.AOFOK || info.Loading {
			t.Errorf("a master: %+v", info)
		}
		replica := network.Server(s.redis(2), s.password)
		defer replica.Close()
		if info, err = replica.Observe(ctx); err != nil || info.Role != fleet.RoleReplica || info.Master != s.redis(1) || !info.LinkUp || !info.ReplicaReadOnly {
			t.Errorf("a replica: %+v %v", info, err)
		}
		watcher := network.Sentinel(s.sentinel(1), s.password)
		defer watcher.Close()
		time.Sleep(time.Second)
		view, err := watcher.Observe(ctx, groupName, true)
		if err != nil {
			t.Fatal(err)
		}
		r := view.Report
		if r.Master != s.redis(1) || len(r.Replicas) != 1 || !r.Replicas[0].Reached || !r.Replicas[0].Promotable ||
			len(r.Peers) != 1 || !r.Peers[0].Reached || r.CKQuorum != "" || r.Usable != 2 || !r.PasswordOK || r.MyID != myID(1) {
			t.Errorf("a sentinel: %+v", r)
		}
		wrong := network.Server(s.redis(1), "wrong")
		defer wrong.Close()
		if err := wrong.Ping(ctx); err == nil || !strings.Contains(err.Error(), redis.ErrAuth.Error()) {
			t.Errorf("a wrong password: %v", err)
		}
	})
}

// client dials from one host.
type client struct {
	w    *World
	host string
}

func (c client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.w.DialContext(ctx, c.host, network, addr)
}
