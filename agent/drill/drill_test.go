package drill

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{time.Second: "1s", 1500 * time.Millisecond: "2s", 5 * time.Minute: "300s"} {
		if got := seconds(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// TestRules: each peer is in the set of its family with the time of the cut, and the
// ports of both ends are dropped in both directions.
func TestRules(t *testing.T) {
	t.Parallel()
	text := rules([]net.IP{net.ParseIP("10.0.0.2"), net.ParseIP("fd00::3")}, []int{6379, 26379}, 20*time.Second)
	for _, want := range []string{
		"type ipv4_addr; flags timeout; elements = { 10.0.0.2 timeout 20s }", "type ipv6_addr; flags timeout; elements = { fd00::3 timeout 20s }",
		"ip saddr @peers4 tcp dport { 6379, 26379 } drop", "ip saddr @peers4 tcp sport { 6379, 26379 } drop",
		"ip daddr @peers4 tcp dport", "ip6 daddr @peers6 tcp sport",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestNothingIsDone: where there is no such group, no running server, no systemd or
// no peer, the error says so.
func TestNothingIsDone(t *testing.T) {
	t.Parallel()
	cfg := specfile.AgentConfig{Node: "n1", StateDir: t.TempDir(), Supervisor: specfile.SupervisorProcess}
	said := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	_, err := Instance(cfg, "main")
	said(err, `no server of group "main"; nothing was done`)
	g := fleet.InstanceGoal{ID: "redis-main-6379", Group: "main", Servers: []fleet.Member{{Node: "n1", Addr: fleet.Addr{Host: "10.0.0.1", Port: 6379}}}}
	_, err = Kill(t.Context(), cfg, g, effect.New(nil))
	said(err, "does not run here; nothing was done")
	said(Isolate(t.Context(), cfg, g, time.Second, effect.New(nil)), "only where systemd runs the instances")
	_, _, err = peersOf(t.Context(), cfg, g)
	said(err, "no machine but this one; nothing was done")
}

// TestKernelTakesTheRules gives them to the kernel in a network of its own: it takes
// them, twice too, and the peers are gone from them after the time, with nobody's help.
func TestKernelTakesTheRules(t *testing.T) {
	t.Parallel()
	text := rules([]net.IP{net.ParseIP("10.0.0.2")}, []int{6379}, time.Second)
	// Twice: what an earlier cut left is replaced.
	script := "nft -f - <<'E'\n" + text + "E\nnft -f - <<'E'\n" + text + "E\nnft list table inet redfleet_drill; sleep 1.5; echo LATER; nft list table inet redfleet_drill"
	out, err := exec.CommandContext(t.Context(), "unshare", "-rn", "sh", "-ec", script).CombinedOutput()
	before, after, _ := strings.Cut(string(out), "LATER")
	if err != nil || !strings.Contains(before, "10.0.0.2") || strings.Contains(after, "10.0.0.2") {
		t.Errorf("%v\n%s", err, out)
	}
}
