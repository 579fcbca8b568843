package consul

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

// TestWatchTellsChangesOnly runs a watch against scripted answers, in virtual time.
func TestWatchTellsChangesOnly(t *testing.T) {
	t.Parallel()
	type answer struct {
		index uint64
		value string // "" for a missing key
		err   error
	}
	out := errors.New("refused")
	tests := map[string]struct {
		answers []answer
		// asked are the indexes that the requests wait on, told the values told.
		asked []uint64
		told  []string
		// back is how often the index was said to have gone backwards.
		back int
	}{
		"woken for nothing": {
			answers: []answer{{5, "a", nil}, {6, "a", nil}, {7, "a", nil}, {8, "b", nil}},
			asked:   []uint64{0, 5, 6, 7}, told: []string{"a", "b"},
		},
		"missing, while others write": {
			answers: []answer{{5, "", nil}, {6, "", nil}, {7, "", nil}, {8, "a", nil}},
			asked:   []uint64{0, 5, 6, 7}, told: []string{"", "a"},
		},
		"out, then the same": {
			answers: []answer{{5, "a", nil}, {0, "", out}, {0, "", out}, {5, "a", nil}, {6, "b", nil}},
			asked:   []uint64{0, 5, 0, 0, 5}, told: []string{"a", "b"},
		},
		"rolled back": {
			answers: []answer{{50, "new", nil}, {5, "old", nil}, {5, "old", nil}, {6, "newer", nil}},
			asked:   []uint64{0, 50, 0, 5}, told: []string{"new", "old", "newer"}, back: 1,
		},
		"rolled back while it was out, to the same": {
			answers: []answer{{50, "a", nil}, {0, "", out}, {5, "a", nil}, {6, "b", nil}},
			asked:   []uint64{0, 50, 0, 5}, told: []string{"a", "b"}, back: 1,
		},
		"out from the start": {
			answers: []answer{{0, "", out}, {5, "a", nil}},
			asked:   []uint64{0, 0}, told: []string{"a"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked []uint64
				var told []string
				ctx, cancel := context.WithCancel(t.Context())
				back := 0
				c := &Client{jitter: RandomJitter, timeout: time.Second, wait: maxWait, onError: func(string, error) {}, onBack: func() { back++ }}
				err := c.watch(ctx, "watching", func(q *api.QueryOptions) ([]Entry, *api.QueryMeta, error) {
					if len(asked) == len(tt.answers) {
						cancel()
						return nil, nil, ctx.Err()
					}
					a := tt.answers[len(asked)]
					asked = append(asked, q.WaitIndex)
					meta := &api.QueryMeta{LastIndex: a.index}
					if a.value == "" {
						return nil, meta, a.err
					}
					return []Entry{{Key: "k", Value: []byte(a.value)}}, meta, a.err
				}, func(entries []Entry) {
					if len(entries) == 0 {
						told = append(told, "")
						return
					}
					told = append(told, string(entries[0].Value))
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the watch ended with %v", err)
				}
				if back != tt.back {
					t.Errorf("the index was said %d times to have gone backwards, want %d", back, tt.back)
				}
				if d := cmp.Diff(tt.asked, asked); d != "" {
					t.Errorf("indexes asked for (-want +got):\n%s", d)
				}
				if d := cmp.Diff(tt.told, told); d != "" {
					t.Errorf("values told (-want +got):\n%s", d)
				}
			})
		})
	}
}

// TestLookAgain: a watch whose request waits for an index that Consul does not reach for
// long, as after it lost its state, asks anew at once when it is told to, and tells what
// there is. An answer that comes in that moment does not count; whoever asked for no look is
// not disturbed.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &Client{jitter: RandomJitter, timeout: time.Second, wait: maxWait, onError: func(what string, err error) { t.Errorf("%s: %v", what, err) }}
		c.LookAgain() // before anybody watches
		var asked []uint64
		var told []string
		ended := make(chan error, 1)
		go func() {
			ended <- c.watch(ctx, "watching", func(q *api.QueryOptions) ([]Entry, *api.QueryMeta, error) {
				asked = append(asked, q.WaitIndex)
				switch len(asked) {
				case 1: // of the old state
					return []Entry{{Key: "k", Value: []byte("old"), Index: 50}}, &api.QueryMeta{LastIndex: 50}, nil
				case 3: // of the new one, before the key was written there
					return nil, &api.QueryMeta{LastIndex: 7}, nil
				}
				<-q.Context().Done()
				return []Entry{{Key: "k", Value: []byte("late")}}, &api.QueryMeta{LastIndex: 51}, nil
			}, func(entries []Entry) {
				if len(entries) == 0 {
					told = append(told, "")
					return
				}
				told = append(told, string(entries[0].Value))
			})
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := cmp.Diff([]uint64{0, 50}, asked); d != "" {
			t.Fatalf("asked for before (-want +got):\n%s", d)
		}
		c.LookAgain()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
		if d := cmp.Diff([]uint64{0, 50, 0, 7}, asked); d != "" {
			t.Errorf("asked for (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"old", ""}, told); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
	})
}

func TestNextIndex(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ had, got, want uint64 }{
		"first answer":                {0, 42, 42},
		"went on":                     {42, 43, 43},
		"nothing new":                 {42, 42, 42},
		"went backwards: start anew":  {42, 41, 0},
		"no index: never wait on 0":   {0, 0, 1},
		"lost its index: start anew":  {42, 0, 0},
		"after a start anew, waiting": {0, 7, 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := nextIndex(tt.had, tt.got); got != tt.want {
				t.Errorf("nextIndex(%d, %d) = %d, want %d", tt.had, tt.got, got, tt.want)
			}
		})
	}
}

// TestSplit: every batch has the guard first, fits Consul's limits, and together
// they hold every step once and in order (K3).
func TestSplit(t *testing.T) {
	t.Parallel()
	guard := CheckSession("redfleet/shop/lease", "11111111-2222-3333-4444-555555555555")
	tests := map[string]struct {
		steps, size, batches int
	}{
		"nothing":                {0, 0, 0},
		"one":                    {1, 10, 1},
		"as many as fit":         {MaxTxnOps - 1, 10, 1},
		"one more":               {MaxTxnOps, 10, 2},
		"as large as fits":       {3, 100 * 1024, 1},
		"too large together":     {4, 100 * 1024, 2},
		"one that can never fit": {1, 600 * 1024, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ops []Op
			for i := range tt.steps {
				ops = append(ops, Set(fmt.Sprintf("redfleet/shop/goal/%d", i), make([]byte, tt.size)))
			}
			batches := Split(guard, ops)
			if len(batches) != tt.batches {
				t.Errorf("%d batches, want %d", len(batches), tt.batches)
			}
			next := 0
			for _, batch := range batches {
				if batch[0].String() != guard.String() {
					t.Errorf("a batch begins with %v", batch[0])
				}
				if err := checkSize(txnBody(batch)); err != nil && tt.size < MaxTxnBytes {
					t.Errorf("a batch of %d: %v", len(batch), err)
				}
				for _, op := range batch[1:] {
					if want := ops[next].Key(); op.Key() != want {
						t.Errorf("step %d is %v, want %s", next, op, want)
					}
					next++
				}
			}
			if next != len(ops) {
				t.Errorf("%d of %d steps came out", next, len(ops))
			}
		})
	}
}
