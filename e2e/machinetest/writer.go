package machinetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// writePause is between two writes, so that a run has some hundred per second.
const writePause = 2 * time.Millisecond

// writeLimit is how long one write may take until it counts as failed. It is well below
// the usual down-after, so that a master that is gone shows, and above what a busy host
// lets a server or this process stand still for.
const writeLimit = 3 * time.Second

// Writer is a client of the group that writes all the time: it finds the master by
// the sentinels, as applications do, and writes each key once, with no retry.
type Writer struct {
	client *goredis.Client
	stop   context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	report Writes
	last   time.Time // of the last acknowledged write
}

// Writes is what became of a writer's writes.
type Writes struct {
	// Acknowledged are the numbers of the keys that the group said it has.
	Acknowledged []int
	// Failed are the writes that were not acknowledged.
	Failed []FailedWrite
	// Gap is the longest time between two acknowledged writes.
	Gap time.Duration
}

// FailedWrite is a write that got an error; the group may have it nevertheless.
type FailedWrite struct {
	At  time.Time
	Err error
}

// Client is a client of the group's master, found by the sentinels from a machine
// in the lab's network. The test's end closes it.
func (f *Fleet) Client(ctx context.Context, t testing.TB) *goredis.Client {
	t.Helper()
	password := f.Password(ctx, t)
	var sentinels []string
	for _, n := range f.coordinators() {
		sentinels = append(sentinels, fmt.Sprintf("%s:%d", n.Address, SentinelPort))
	}
	client := goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName: GroupName, SentinelAddrs: sentinels, SentinelPassword: password, Password: password,
		Dialer: f.Lab.Dial, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
		MaxRetries: -1, DialerRetries: 1, // a failure is the test's to see
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// StartWriter starts a writer and returns when its first write is acknowledged. The
// test's end stops it.
func (f *Fleet) StartWriter(ctx context.Context, t testing.TB) *Writer {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	// The questions to sentinels keep their own, shorter limit.
	w := &Writer{client: f.Client(ctx, t).WithTimeout(writeLimit), stop: stop, ended: make(chan struct{})}
	go w.run(ctx)
	t.Cleanup(func() { stop(); <-w.ended })
	w.WaitMore(ctx, t, 1)
	w.mu.Lock()
	w.report.Failed, w.report.Gap = nil, 0 // from here on it counts
	w.mu.Unlock()
	return w
}

func (w *Writer) run(ctx context.Context) {
	defer close(w.ended)
	pause := time.NewTicker(writePause)
	defer pause.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		// Not ended by ctx: a write that is cut off tells nothing.
		err := w.client.Set(context.WithoutCancel(ctx), key(i), i, 0).Err()
		w.note(i, err)
	}
}

func key(i int) string { return "written:" + strconv.Itoa(i) }

func (w *Writer) note(i int, err error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.report.Failed = append(w.report.Failed, FailedWrite{At: now, Err: err})
		return
	}
	if !w.last.IsZero() {
		w.report.Gap = max(w.report.Gap, now.Sub(w.last))
	}
	w.last = now
	w.report.Acknowledged = append(w.report.Acknowledged, i)
}

// WaitMore waits until so many more writes have been acknowledged.
func (w *Writer) WaitMore(ctx context.Context, t testing.TB, more int) {
	t.Helper()
	want := w.Count() + more
	Eventually(ctx, t, time.Minute, fmt.Sprintf("%d more acknowledged writes", more), func() bool { return w.Count() >= want })
}

// Count is how many writes have been acknowledged.
func (w *Writer) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.report.Acknowledged)
}

// Stop ends the writer and says what became of its writes.
func (w *Writer) Stop() Writes {
	w.stop()
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report
}

// NoError fails the test when a write got an error, or there was none at all.
func (w Writes) NoError(t testing.TB) {
	t.Helper()
	if len(w.Acknowledged) == 0 {
		t.Error("no write was acknowledged")
	}
	if len(w.Failed) > 0 {
		t.Errorf("%d of %d writes got an error, the first: %v", len(w.Failed), len(w.Failed)+len(w.Acknowledged), w.Failed[0].Err)
	}
}

// Last is the number of the last acknowledged write.
func (w *Writer) Last() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report.Acknowledged[len(w.report.Acknowledged)-1]
}
