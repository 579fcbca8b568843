package preflight

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ClockPath is where an agent tells its clock, beside the role checks: one line
// as in RFC 3339, with nanoseconds.
const ClockPath = "/clock"

// clockFact is what is known of another node's clock against this one's.
type clockFact struct {
	node string
	// ahead is how far the other clock is ahead of this one; it is right within
	// bound. A clock that was not read is known only by its last report.
	ahead, bound time.Duration
	read         bool
	// why it was not read.
	why string
}

// No clock is changed, and none is needed to be right: what counts is that they
// agree.
const (
	clockWarn = time.Second
	clockFail = 30 * time.Second
	// dateResolution is that of HTTP's Date, the clock of an agent that is too old
	// to tell it better.
	dateResolution = time.Second
	// reportEvery is how old the report of a living agent can be: it writes every
	// 90 s and Consul may be slow.
	reportEvery = 100 * time.Second
)

func gatherClocks(ctx context.Context, in *Input) ([]clockFact, error) {
	hosts := in.peerHosts()
	nodes := slices.Sorted(maps.Keys(hosts))
	facts := make([]clockFact, len(nodes))
	_, port, err := net.SplitHostPort(in.Config.HTTP)
	if err != nil {
		return nil, nil // before the machine has an address there is no agent's port to go by
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: dialTimeout}
	var wait sync.WaitGroup
	for i, node := range nodes {
		wait.Go(func() {
			facts[i] = in.clockOf(ctx, client, node, net.JoinHostPort(hosts[node], port))
		})
	}
	wait.Wait()
	return facts, nil
}

// peerHosts are the addresses of the nodes beside, by name.
func (in *Input) peerHosts() map[string]string {
	hosts := map[string]string{}
	for _, p := range in.Plan.Peers {
		if p.Host != "" {
			hosts[p.Node] = p.Host
		}
	}
	return hosts
}

// clockOf asks a node's agent, and falls back on what its report proves.
func (in *Input) clockOf(ctx context.Context, client *http.Client, node, at string) clockFact {
	f, err := in.ask(ctx, client, at)
	f.node = node
	if err == nil {
		f.read = true
		return f
	}
	f.why = err.Error()
	if in.World == nil {
		return f
	}
	if r, found := in.World.Reports[node]; found && r.Alive && !r.Report.At.IsZero() {
		// The report was written before it was read, and at most reportEvery before.
		f.ahead = r.Report.At.Sub(in.World.Now) + reportEvery/2
		f.bound = reportEvery / 2
	}
	return f
}

// ask measures one clock: the answer was made at some instant between the
// question and its arrival.
func (in *Input) ask(ctx context.Context, client *http.Client, at string) (clockFact, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+ClockPath, nil)
	if err != nil {
		return clockFact{}, err
	}
	began, started := in.now(), time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return clockFact{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	took := time.Since(started)
	body, err := io.ReadAll(io.LimitReader(resp.Body, 100))
	if err != nil {
		return clockFact{}, err
	}
	half := took / 2
	if theirs, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(body))); err == nil && resp.StatusCode == http.StatusOK {
		return clockFact{ahead: theirs.Sub(began.Add(half)), bound: half + time.Millisecond}, nil
	}
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return clockFact{}, fmt.Errorf("%s tells no time: it is not a redfleet agent", at)
	}
	// Date is cut to whole seconds: the middle of that second is the best guess.
	return clockFact{ahead: theirs.Add(dateResolution / 2).Sub(began.Add(half)), bound: half + dateResolution/2}, nil
}

func judgeClocks(in *Input, facts []clockFact) Finding {
	if len(facts) == 0 {
		return none("no other node's clock is within reach: none is known")
	}
	var bad, seen, unread []string
	worst := time.Duration(0)
	for _, f := range facts {
		proved := max(0, f.ahead.Abs()-f.bound)
		switch {
		case !f.read && proved == 0:
			unread = append(unread, f.node)
		case proved > clockWarn:
			bad = append(bad, f.String())
		default:
			seen = append(seen, f.String())
		}
		worst = max(worst, proved)
	}
	const do = "let one time service run on all nodes (apt-get install systemd-timesyncd, or chrony); see timedatectl on each"
	switch {
	case worst > clockFail:
		return fail(do, "%s", strings.Join(bad, "; "))
	case len(bad) > 0:
		return warn(do, "%s", strings.Join(bad, "; "))
	case len(seen) == 0:
		return none("the agents of %s do not answer here, and no report proves a difference (of more than %v)",
			strings.Join(unread, ", "), reportEvery)
	case len(unread) > 0:
		return ok("%s; not read: %s", strings.Join(seen, "; "), strings.Join(unread, ", "))
	}
	return ok("%s", strings.Join(seen, "; "))
}

// String is the difference for people, with how exact it is.
func (f clockFact) String() string {
	word := "ahead"
	if f.ahead < 0 {
		word = "behind"
	}
	resolution := time.Millisecond
	if f.bound > dateResolution/2 {
		resolution = 100 * time.Millisecond
	}
	return fmt.Sprintf("%s is %v %s (± %v)", f.node, f.ahead.Abs().Round(resolution), word, f.bound.Round(time.Millisecond))
}
