//go:build e2e

package machine

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// echoes pings count times and tells how many answers came and the shortest and
// longest round trip.
func echoes(ctx context.Context, t *testing.T, from, to *Node, count int) (answers int, shortest, longest time.Duration) {
	t.Helper()
	r, err := from.Run(ctx, "ping", "-c", strconv.Itoa(count), "-i", "0.02", "-W", "1", to.Address.String())
	check(t, err)
	for line := range strings.Lines(r.Stdout) {
		_, rest, found := strings.Cut(line, " time=")
		if !found {
			continue
		}
		ms, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		check(t, err)
		took := time.Duration(ms * float64(time.Millisecond))
		if answers == 0 || took < shortest {
			shortest = took
		}
		longest = max(longest, took)
		answers++
	}
	return answers, shortest, longest
}

func testDisturbed(ctx context.Context, t *testing.T, nodes []*Node) {
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	echoes(ctx, t, n1, n2, 2) // the addresses are known then
	check(t, n2.Disturb(ctx, Line{Delay: 40 * time.Millisecond, Jitter: 20 * time.Millisecond}))
	// By the kernel's count: ping itself gives up on its last answers after two round trips.
	before := counted(ctx, t, n1, "InEchoReps")
	_, shortest, longest := echoes(ctx, t, n1, n2, 50)
	if !soon(ctx, func() bool { return counted(ctx, t, n1, "InEchoReps") == before+50 }) {
		t.Errorf("of 50 pings through a slow line %d were answered", counted(ctx, t, n1, "InEchoReps")-before)
	}
	if shortest < 40*time.Millisecond || longest < 70*time.Millisecond {
		t.Errorf("delay 40 ms ± 20 ms each way: answers after %s to %s", shortest, longest)
	}
	if _, shortest, _ := echoes(ctx, t, n1, n3, 5); shortest > 10*time.Millisecond {
		t.Errorf("n1 and n3 are not disturbed, and an answer takes %s", shortest)
	}
	testBytes(ctx, t, n2)
	testOneWay(ctx, t, nodes) // a cut works on a disturbed line
	check(t, n2.Heal(ctx))
	if _, shortest, _ := echoes(ctx, t, n1, n2, 5); shortest > 10*time.Millisecond {
		t.Errorf("n2 is healed, and an answer takes %s", shortest)
	}

	check(t, n2.Disturb(ctx, Line{Loss: 0.5}))
	// Each way loses half, so 50 of 200 come back; 6 standard deviations are 37.
	if answers, _, _ := echoes(ctx, t, n1, n2, 200); answers < 13 || answers > 87 {
		t.Errorf("half is lost each way, and %d of 200 answers came", answers)
	}
	check(t, n2.Disturb(ctx, Line{Loss: 1}))
	if answers, _, _ := echoes(ctx, t, n1, n2, 5); answers > 0 {
		t.Errorf("everything is lost, and %d answers came", answers)
	}

	check(t, n2.Disturb(ctx, Line{Delay: 30 * time.Millisecond}))
	check(t, n2.PowerOff(ctx))
	check(t, n2.BootAgain(ctx))
	if _, shortest, _ := echoes(ctx, t, n1, n2, 5); shortest < 60*time.Millisecond {
		t.Errorf("after a boot the line is not as it was: an answer takes %s", shortest)
	}
	check(t, n2.Disturb(ctx, Line{}))
	if _, shortest, _ := echoes(ctx, t, n1, n2, 5); shortest > 10*time.Millisecond {
		t.Errorf("the line is undisturbed again, and an answer takes %s", shortest)
	}
	for _, bad := range []Line{{Delay: -1}, {Jitter: time.Second}, {Loss: 1.1}} {
		if n2.Disturb(ctx, bad) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// testBytes shows that many packets come through whole and in order. What a disturbed
// line costs Consul its leader for is refused, and sent again.
func testBytes(ctx context.Context, t *testing.T, n *Node) {
	t.Helper()
	many := strings.Repeat("redfleet\n", 50_000)
	client := &http.Client{Transport: &http.Transport{DialContext: n.lab.Dial, DisableKeepAlives: true}}
	said := ""
	if !soon(ctx, func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+n.ConsulAddress()+"/v1/kv/many", strings.NewReader(many))
		check(t, err)
		resp, err := client.Do(req)
		check(t, err)
		text, err := io.ReadAll(resp.Body)
		check(t, err)
		check(t, resp.Body.Close())
		said = resp.Status + " " + string(text)
		return resp.StatusCode == http.StatusOK && string(text) == "true"
	}) {
		t.Fatalf("450 kB through a disturbed line: %s", said)
	}
	got := ""
	if !soon(ctx, func() bool {
		got = run(ctx, t, n, "curl", "--silent", "http://127.0.0.1:8500/v1/kv/many?raw")
		return got == many
	}) {
		t.Errorf("450 kB went through a disturbed line, and %d other bytes came", len(got))
	}
}
