package preflight

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// agentAt is a stand-in for another node's agent with a clock that is ahead; the
// clocks of machines on one kernel cannot differ.
func agentAt(t *testing.T, ahead time.Duration, old bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(ahead).UTC()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		if old || r.URL.Path != ClockPath {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, now.Format(time.RFC3339Nano))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration
		old   bool
		want  Status
		seen  string
	}{
		"together":               {0, false, OK, "n2 is "},
		"a little":               {800 * time.Millisecond, false, OK, "ahead"}, // more than half of a slow answer
		"behind":                 {-10 * time.Second, false, Warning, "behind"},
		"far ahead":              {90 * time.Minute, false, Error, "1h"},
		"an old agent":           {0, true, OK, "n2 is "},
		"an old agent, ahead":    {5 * time.Second, true, Warning, "ahead"},
		"an old one, a little":   {800 * time.Millisecond, true, OK, "n2 is "}, // within what Date can tell
		"an old one, far behind": {-time.Minute, true, Error, "behind"},
	} {
		t.Run(name, func(t *testing.T) {
			host, port, err := net.SplitHostPort(agentAt(t, c.ahead, c.old))
			if err != nil {
				t.Fatal(err)
			}
			in := &Input{Config: config(), Plan: peers(Peer{Node: "n2", Host: host, Ports: []int{6379}})}
			in.Config.HTTP = net.JoinHostPort("127.0.0.1", port)
			if f := runOne(t.Context(), t, "clock", in); f.Status != c.want || !strings.Contains(f.Found, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
}

// Where no agent answers, a report can prove a difference, and nothing less.
func TestClockOfReports(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		at    time.Time
		alive bool
		want  Status
	}{
		"just now":           {now, true, NotApplicable},
		"as old as one gets": {now.Add(-90 * time.Second), true, NotApplicable},
		"from the future":    {now.Add(10 * time.Second), true, Warning},
		"an hour ahead":      {now.Add(time.Hour), true, Error},
		"an hour behind":     {now.Add(-time.Hour), true, Error},
		"its agent is gone":  {now.Add(-time.Hour), false, NotApplicable},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Config: config(), Plan: peers(Peer{Node: "n2", Host: "127.0.0.2", Ports: []int{6379}})}
			in.Config.HTTP = fmt.Sprintf("127.0.0.1:%d", closedPort(t, "127.0.0.2"))
			in.World = &fleet.World{Now: now, Reports: map[string]fleet.ReportRecord{"n2": {Alive: c.alive, Report: fleet.Report{At: c.at}}}}
			if f := runOne(t.Context(), t, "clock", in); f.Status != c.want {
				t.Errorf("%+v; want %s", f, c.want)
			}
		})
	}
}
