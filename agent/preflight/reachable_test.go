package preflight

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// peers is a plan with one instance here and the given ones beside.
func peers(list ...Peer) Plan {
	p := server()
	p.Peers = list
	return p
}

func TestReachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	open := Peer{Node: "n2", Host: "127.0.0.2", Ports: []int{ln.Addr().(*net.TCPAddr).Port}}
	closed := Peer{Node: "n3", Host: "127.0.0.3", Ports: []int{closedPort(t, "127.0.0.3")}}
	for name, c := range map[string]struct {
		plan Plan
		want Status
		seen string
	}{
		"one listens, one refuses": {peers(open, closed), OK, "1 port answers; 1 port refuses"},
		"an address is missing":    {peers(open, Peer{Node: "n4", Ports: []int{1}}), Warning, "the addresses of n4 are not known; 1 port answers"},
		"a name that is none":      {peers(Peer{Node: "n4", Host: "no-such-name.invalid", Ports: []int{1}}), Error, "n4"},
		"alone":                    {peers(), NotApplicable, "nothing on other nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := runOne(t.Context(), t, "reachable", &Input{Config: config(), Plan: c.plan})
			if f.Status != c.want || !strings.Contains(f.Found, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
}

// What silence means hangs on what else is known of the node.
func TestSilence(t *testing.T) {
	world := func(alive bool) *fleet.World {
		return &fleet.World{Reports: map[string]fleet.ReportRecord{"n2": {Alive: alive}}}
	}
	quiet := wayFact{node: "n2", at: "10.0.0.2:6379", port: 6379, answer: silent}
	bus := wayFact{node: "n2", at: "10.0.0.2:16379", port: 16379, answer: silent}
	other := wayFact{node: "n2", at: "10.0.0.2:26379", port: 26379, answer: refused}
	for name, c := range map[string]struct {
		world *fleet.World
		ways  []wayFact
		want  Status
		seen  string
	}{
		"one port of two":       {nil, []wayFact{quiet, other}, Error, "TCP 6379 within 2s, and on others it does: a firewall"},
		"all, and it lives":     {world(true), []wayFact{quiet, bus}, Error, "TCP 6379, 16379 within 2s, and its agent reports"},
		"all, and it is gone":   {world(false), []wayFact{quiet}, Warning, "its agent is gone too"},
		"all, and nobody knows": {nil, []wayFact{quiet}, Error, "or the machine is off"},
		"one port, and gone":    {world(false), []wayFact{quiet, other}, Error, "a firewall"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Plan: peers(Peer{Node: "n2", Host: "10.0.0.2", Ports: []int{6379}}), World: c.world}
			if f := judgeReachable(in, c.ways); f.Status != c.want || !strings.Contains(f.Found, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
}

// Two preflights that listen greet each other; one that is alone says who is
// missing, and one that meets a stranger names both.
func TestListen(t *testing.T) {
	port2, port3 := closedPort(t, "127.0.0.2"), closedPort(t, "127.0.0.3")
	node := func(name, host string, port int, beside ...Peer) *Input {
		in := &Input{Config: config(), Plan: peers(beside...), Root: machine(t, nil), Listen: 1500 * time.Millisecond}
		in.Config.Node, in.Config.Address, in.Config.Bind, in.Config.HTTP = name, host, []string{host}, ""
		in.Plan.Instances[0].Ports = []int{port}
		return in
	}
	n2 := node("n2", "127.0.0.2", port2, Peer{Node: "n3", Host: "127.0.0.3", Ports: []int{port3}})
	n3 := node("n3", "127.0.0.3", port3, Peer{Node: "n2", Host: "127.0.0.2", Ports: []int{port2}})
	results := make(chan Document, 2)
	for _, in := range []*Input{n2, n3} {
		go func() {
			d, err := RunListening(t.Context(), in, nil)
			if err != nil {
				t.Error(err)
			}
			results <- d
		}()
	}
	for range 2 {
		d := <-results
		if r := result(d, "reachable"); r.Status != OK || !strings.Contains(r.Found, "1 port greeted back") {
			t.Errorf("%s: %+v", d.Node, r)
		}
		if r := result(d, "ports"); r.Status != OK {
			t.Errorf("%s takes its own listener for somebody else's: %+v", d.Node, r)
		}
	}
	alone := node("n2", "127.0.0.2", port2, Peer{Node: "n3", Host: "127.0.0.3", Ports: []int{port3}})
	alone.Listen = 300 * time.Millisecond
	d, err := RunListening(t.Context(), alone, nil)
	if r := result(d, "reachable"); err != nil || r.Status != Error || !strings.Contains(r.Found, fmt.Sprintf("n3 refuses TCP %d, and no preflight greeted", port3)) {
		t.Errorf("alone: %+v, %v", r, err)
	}
	self := node("n2", "127.0.0.2", port2, Peer{Node: "n3", Host: "127.0.0.2", Ports: []int{port2}})
	self.Listen = 300 * time.Millisecond
	d, err = RunListening(t.Context(), self, nil)
	if r := result(d, "reachable"); err != nil || r.Status != Error || !strings.Contains(r.Found, "(for n3) is answered by n2") {
		t.Errorf("a stranger: %+v, %v", r, err)
	}
}

func TestListenEndsWithItsContext(t *testing.T) {
	in := &Input{Config: config(), Plan: server(), Listen: time.Minute}
	in.Plan.Instances[0].Ports = []int{closedPort(t, "127.0.0.1")}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := RunListening(ctx, in, nil); err == nil || time.Since(began) > checkTimeout {
		t.Errorf("it ended after %v with %v", time.Since(began), err)
	}
}

func result(d Document, name string) Result {
	for _, r := range d.Checks {
		if r.Name == name {
			return r
		}
	}
	return Result{}
}
