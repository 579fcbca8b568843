package fleettest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestBoundedMaster: with durability "bounded" a master whose replicas do not
// answer stops to take writes within max_lag and a second, the verdict says that
// and why, and it takes them again when a replica is back.
func TestBoundedMaster(t *testing.T) {
	t.Parallel()
	const lag = 3 * time.Second
	f := bring(t, 3, func(g *fleet.GroupSpec) {
		g.Durability, g.MaxLag = fleet.Bounded, fleet.Duration(lag)
		g.Sentinel.DownAfter = fleet.Duration(30 * time.Second)
	})
	master := index(t, f.WaitServing(servingIn).Master.Node)
	r := f.Redis(master)
	for _, i := range others(master) {
		signal(t, f, i, fleet.KindRedis, syscall.SIGSTOP)
	}
	// A server that does not run does not count its second either: what a try takes
	// beyond the usual, here or there, is the machine's.
	const usual = 50 * time.Millisecond
	cut, last := time.Now(), time.Now()
	var stood time.Duration
	for before := cut; ; {
		err := r.Set(t.Context(), "after the cut", "x")
		if err != nil {
			if !strings.Contains(err.Error(), "NOREPLICAS") {
				t.Fatal(err)
			}
			break
		}
		last = time.Now()
		stood += max(0, last.Sub(before)-usual)
		before = last
		if last.Sub(cut) > 4*lag+stood {
			t.Fatal("a master that is cut off goes on to take writes")
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Logf("the last write was taken %s after the cut; the machine stood still for %s of it", last.Sub(cut), stood)
	if over := last.Sub(cut) - stood - lag - time.Second; over > 250*time.Millisecond { // its timers drift, and each try is its own look
		t.Errorf("the last write was taken %s later than max_lag and a second", over)
	}
	refuses := node(master) + ` refuses writes (NOREPLICAS): 0 replicas answered in time and durability = "bounded" wants 1`
	a := f.WaitFor(noticedIn, "the refusal in the verdict", func(a fleet.Assessment) bool {
		return strings.HasPrefix(a.Reason, refuses) && seen(a, assess.CheckWritable, []string{refuses})
	})
	if a.State != fleet.GroupDegraded {
		t.Errorf("the group is %s: %s", a.State, a.Reason)
	}
	signal(t, f, others(master)[0], fleet.KindRedis, syscall.SIGCONT)
	eventually(t, servingIn, "a write with one replica back", func() bool { return r.Set(t.Context(), "back", "x") == nil })
	signal(t, f, others(master)[1], fleet.KindRedis, syscall.SIGCONT)
	checkReplication(t, f, 3)
}

// TestAcknowledgedWritesSurvive: with durability "acknowledged" no write that WAIT
// confirmed on every replica is lost when the master is killed.
func TestAcknowledgedWritesSurvive(t *testing.T) {
	t.Parallel()
	killMasters(t, 1)
}

// killMasters kills one master after the other while clients write.
func killMasters(t *testing.T, rounds int) {
	f := bring(t, 3, func(g *fleet.GroupSpec) {
		g.Durability = fleet.Acknowledged
		g.Sentinel.DownAfter = fleet.Duration(700 * time.Millisecond)
	})
	old := index(t, f.WaitServing(servingIn).Master.Node)
	l := &ledger{written: map[string]bool{}}
	for round := range rounds {
		enough := l.confirmed() + 50
		w := l.start(t, f, old, fmt.Sprint(round))
		eventually(t, failoverIn, "confirmed writes", func() bool {
			if w.writing.Load() == 0 { // a busy machine can stall a server for down-after: another one is master
				w.stop()
				old = index(t, f.WaitServing(failoverIn).Master.Node)
				w = l.start(t, f, old, fmt.Sprintf("%s-again", w.name))
			}
			return l.confirmed() >= enough
		})
		was := highestEpoch(t, f)
		kill(t, f, old, fleet.KindRedis)
		w.stop()
		old = waitEpoch(t, f, old, was)
		l.check(t, f.client(t, old))
	}
	t.Logf("%d masters killed, %d writes confirmed by WAIT, %d taken and not confirmed", rounds, l.confirmed(), len(l.written)-l.confirmed())
}

// waitEpoch waits until the group is whole again under another master than
// n<old>, or under that one after more failovers; was is the epoch of before.
func waitEpoch(t *testing.T, f *Fleet, old int, was uint64) int {
	t.Helper()
	a := f.WaitFor(failoverIn, fmt.Sprintf("whole again after a failover from n%d", old), func(a fleet.Assessment) bool {
		if a.State != fleet.GroupServing || failing(a) != "" {
			return false
		}
		w, err := f.World(t.Context())
		return err == nil && epoch(w) > was
	})
	return index(t, a.Master.Node)
}

func highestEpoch(t *testing.T, f *Fleet) uint64 {
	t.Helper()
	w, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return epoch(w)
}

// client is one connection to the server of node n<i>.
func (f *Fleet) client(t *testing.T, i int) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{
		Addr: net.JoinHostPort(f.Host(i), "6379"), Password: f.Password(), Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 1,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ledger is what writers were told: each key that was taken, and whether WAIT
// confirmed it on both replicas.
type ledger struct {
	mu      sync.Mutex
	written map[string]bool
}

func (l *ledger) confirmed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, ok := range l.written {
		if ok {
			n++
		}
	}
	return n
}

// writers write to one server until stop, or until it takes no more.
type writers struct {
	name    string
	writing atomic.Int32
	stop    func()
}

// start has four clients write to the server of node n<i>.
func (l *ledger) start(t *testing.T, f *Fleet, i int, name string) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	w := &writers{name: name, stop: func() { cancel(); work.Wait() }}
	w.writing.Store(4)
	for n := range 4 {
		c := f.client(t, i)
		work.Go(func() {
			defer w.writing.Add(-1)
			l.write(ctx, c, fmt.Sprintf("%s-%d", name, n))
		})
	}
	return w
}

// write writes until ctx ends or the server does not answer any more.
func (l *ledger) write(ctx context.Context, c *goredis.Client, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("%s-%d", name, n)
		if c.Set(ctx, key, key, 0).Err() != nil {
			return
		}
		replicas, err := c.Do(ctx, "WAIT", 2, 500).Int()
		l.mu.Lock()
		l.written[key] = err == nil && replicas >= 2
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// check looks for every confirmed write.
func (l *ledger) check(t *testing.T, c *goredis.Client) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, confirmed := range l.written {
		if got, err := c.Get(t.Context(), key).Result(); confirmed && (err != nil || got != key) {
			t.Fatalf("the write %s, confirmed by both replicas, is lost: %q, %v", key, got, err)
		}
	}
}
