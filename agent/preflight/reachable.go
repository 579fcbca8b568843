package preflight

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// answer is what came back of one connection attempt.
type answer string

const (
	// answered: something listens there.
	answered answer = "listens"
	// greeted: a preflight listens there, on the node that was meant. This is the
	// only proof of the whole way.
	greeted answer = "greeted"
	// refused: the machine answered that nobody listens. No firewall drops the
	// packets; one that refuses looks the same.
	refused answer = "refused"
	// silent: no answer at all in time, as from a firewall that drops, and from a
	// machine that is off.
	silent answer = "silent"
	// stranger: a preflight of another node greeted.
	stranger answer = "stranger"
	// failed: anything else, such as a name that does not resolve.
	failed answer = "failed"
)

// wayFact is the way to one port of a peer.
type wayFact struct {
	node   string
	at     string
	port   int
	answer answer
	// said is the greeting's node, or the error.
	said string
}

const (
	dialTimeout = 2 * time.Second
	// dialAgain is how often a refused port is tried while preflights listen.
	dialAgain = 200 * time.Millisecond
	// mostDials bounds the connections that are made at a time.
	mostDials = 32
)

func gatherReachable(ctx context.Context, in *Input) ([]wayFact, error) {
	ways := in.ways()
	var wait sync.WaitGroup
	slots := make(chan struct{}, mostDials)
	for i := range ways {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			in.try(ctx, &ways[i])
		})
	}
	wait.Wait()
	return ways, nil
}

// ways are all ports of all peers whose address is known, each once.
func (in *Input) ways() []wayFact {
	var ways []wayFact
	for _, p := range in.Plan.Peers {
		for _, port := range p.Ports {
			at := net.JoinHostPort(p.Host, strconv.Itoa(port))
			if p.Host != "" && !slices.ContainsFunc(ways, func(w wayFact) bool { return w.at == at }) {
				ways = append(ways, wayFact{node: p.Node, at: at, port: port})
			}
		}
	}
	return ways
}

// try connects. While preflights listen, what refuses is tried again until their
// time is over, since they are not started at one instant.
func (in *Input) try(ctx context.Context, w *wayFact) {
	until := time.Now().Add(in.Listen)
	for {
		in.dial(ctx, w)
		if w.answer != refused || !time.Now().Before(until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(dialAgain):
		}
	}
}

func (in *Input) dial(ctx context.Context, w *wayFact) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.at)
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		defer func() { _ = c.Close() }()
		w.answer = answered
		if in.Listen > 0 {
			in.greeting(c, w)
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		w.answer = refused
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, context.DeadlineExceeded):
		w.answer = silent
	default:
		w.answer, w.said = failed, err.Error()
	}
}

// greeting reads who listens. A Redis says nothing before it is asked: then
// something listens there, and that is all that is known.
func (in *Input) greeting(c net.Conn, w *wayFact) {
	_ = c.SetReadDeadline(time.Now().Add(dialTimeout / 2)) // a failure shows in the read
	line, _ := bufio.NewReader(c).ReadString('\n')
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != greetingWord {
		return
	}
	w.said = fields[2]
	if fields[1] == in.fleetWord() && fields[2] == w.node {
		w.answer = greeted
	} else {
		w.answer = stranger
	}
}

func judgeReachable(in *Input, ways []wayFact) Finding {
	unknown := in.unknownPeers()
	if len(ways) == 0 && len(unknown) == 0 {
		if len(in.Plan.Instances) == 0 {
			return in.unplanned()
		}
		return none("nothing on other nodes belongs to the groups of this one")
	}
	v := newWayVerdict(in, ways)
	switch {
	case len(v.bad) > 0:
		return fail(v.do, "%s", strings.Join(v.bad, "; "))
	case len(v.gone) > 0:
		return warn("look whether the machine is off; run this again when it is back", "%s", strings.Join(v.gone, "; "))
	case len(unknown) > 0:
		return warn("name them with --peer NODE=ADDRESS, or run this again when their agents report",
			"the addresses of %s are not known; %s", strings.Join(unknown, ", "), v.sum())
	}
	return ok("%s", v.sum())
}

// unknownPeers are the nodes whose address nobody has told.
func (in *Input) unknownPeers() []string {
	names := map[string]bool{}
	for _, p := range in.Plan.Peers {
		if p.Host == "" {
			names[p.Node] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
