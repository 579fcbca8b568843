package consul_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
)

// election is a Consul without a leader until a moment.
type election struct {
	until time.Time
	asked int
	fails error
}

func (e *election) RoundTrip(r *http.Request) (*http.Response, error) {
	e.asked++
	if e.fails != nil {
		return nil, e.fails
	}
	code, body := http.StatusOK, `"198.51.100.11:8300"`
	if time.Now().Before(e.until) {
		code, body = http.StatusInternalServerError, "No cluster leader"
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Request: r, Body: io.NopCloser(bytes.NewBufferString(body))}, nil
}

func TestPatiently(t *testing.T) {
	tests := map[string]struct {
		leaderless time.Duration
		fails      error
		good       bool
		// told is how often it says that it waits; it asks at least and at most so often.
		told, least, most int
	}{
		"a leader is there":                       {good: true, least: 1, most: 1},
		"an election of ten seconds":              {leaderless: 10 * time.Second, good: true, told: 1, least: 4, most: 20},
		"an election that does not end":           {leaderless: time.Hour, told: 1, least: 8, most: 40},
		"nobody listens":                          {fails: syscall.ECONNREFUSED, least: 1, most: 1},
		"a connection that ends, again and again": {fails: io.ErrUnexpectedEOF, told: 1, least: 8, most: 40},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &election{until: time.Now().Add(test.leaderless), fails: test.fails}
				c := clientOver(t, e)
				began, told := time.Now(), 0
				err := consul.Patiently(t.Context(), func(error) { told++ }, func(ctx context.Context) error {
					_, err := c.Leader(ctx)
					return err
				})
				if (err == nil) != test.good || err != nil && !errors.Is(err, consul.ErrOut) {
					t.Errorf("the error is %v", err)
				}
				if e.asked < test.least || e.asked > test.most || told != test.told {
					t.Errorf("asked %d times, want %d to %d; told %d times, want %d", e.asked, test.least, test.most, told, test.told)
				}
				if took := time.Since(began); took > consul.Patience {
					t.Errorf("it took %s, more than %s", took, consul.Patience)
				}
			})
		})
	}
}

// A caller that gives up, and an error that no waiting mends, end it at once.
func TestPatientlyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOver(t, &election{until: time.Now().Add(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := consul.Patiently(ctx, nil, func(ctx context.Context) error { _, err := c.Leader(ctx); return err })
		if took := time.Since(began); err == nil || took > time.Second {
			t.Errorf("a caller that gave up after a second waited %s: %v", took, err)
		}
		asked := 0
		wrong := errors.New("wrong")
		if err := consul.Patiently(t.Context(), nil, func(context.Context) error { asked++; return wrong }); !errors.Is(err, wrong) || asked != 1 {
			t.Errorf("asked %d times for what is wrong: %v", asked, err)
		}
	})
}

func clientOver(t *testing.T, e *election) *consul.Client {
	t.Helper()
	c, err := consul.New(consul.Options{Transport: e})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
