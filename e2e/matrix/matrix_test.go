//go:build e2e

package matrix

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
)

// row is one engine on one Debian.
type row struct {
	engine, version string // version is the beginning of what the server says
	suite           string
	engines         machine.Engines
	from            string // where the package comes from, for the table
}

func (r row) String() string { return r.engine + " of " + r.from + " on " + r.suite }

// rows are all that is supported (hazard E1). What sid has changes; the table says
// which version it was.
func rows() []row {
	return []row{
		{"redis", "7.0.", "bookworm", machine.SuiteEngines, "bookworm"},
		{"valkey", "8.0.", "bookworm", machine.BackportsValkey, "bookworm-backports"},
		{"redis", "8.0.", "trixie", machine.SuiteEngines, "trixie"},
		{"valkey", "8.1.", "trixie", machine.SuiteEngines, "trixie"},
		{"redis", "8.", "trixie", machine.SidRedis, "sid, with its C library"},
		{"valkey", "9.", "trixie", machine.SidValkey, "sid"},
	}
}

// TestMatrix takes each of them through bring-up, failover and rejoin, one after
// the other, and ends with a table.
func TestMatrix(t *testing.T) {
	header := []string{"| engine | from | nodes on | install to serving | apply to serving | no write for | power on to whole |",
		"|---|---|---|---|---|---|---|"}
	var table []string
	for _, r := range rows() {
		t.Run(r.String(), func(t *testing.T) {
			ctx := machinetest.Context(t, 6*time.Minute)
			f := machinetest.New(ctx, t, machinetest.Options{Suite: r.suite, Engines: r.engines, Engine: r.engine})
			up := f.BringUp(ctx, t)
			version := runsEngine(ctx, t, f, r)
			over := f.FailOver(ctx, t)
			runsEngine(ctx, t, f, r)
			table = append(table, fmt.Sprintf("| %s %s | %s | %s | %.1f s | %.1f s | %.1f s | %.1f s |", r.engine, version, r.from, r.suite,
				up.InstallToServing.Seconds(), up.ApplyToServing.Seconds(), over.Gap.Seconds(), over.Rejoin.Seconds()))
		})
	}
	for _, c := range []struct {
		name, row string
		test      func(*testing.T)
	}{
		{"redis 6.0 of bullseye is refused", "| redis 6.0.16 | bullseye | bookworm | refused: below 6.2 | | | |", testTooOld},
		{"bullseye itself is refused", "| any | | bullseye | refused: systemd 247, and 250 is needed | | | |", testBullseye},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t)
			table = append(table, c.row)
		})
	}
	if len(table) > 0 {
		fmt.Println(strings.Join(append(header, table...), "\n"))
	}
}

// runsEngine fails the test where a server is not of the row's engine, asked by
// itself and seen as the process that systemd runs, and returns its version.
func runsEngine(ctx context.Context, t *testing.T, f *machinetest.Fleet, r row) string {
	t.Helper()
	var last string
	for _, n := range f.Nodes {
		engine, version := f.Engine(ctx, t, n)
		if engine != r.engine || !strings.HasPrefix(version, r.version) {
			t.Errorf("%s serves with %s %s, want %s %s…", n.Name, engine, version, r.engine, r.version)
		}
		for _, unit := range []string{machinetest.RedisUnit(), machinetest.SentinelUnit()} {
			pid := machinetest.Unit(ctx, t, n, unit).PID
			program := strings.TrimSpace(machinetest.Run(ctx, t, n, "readlink", fmt.Sprintf("/proc/%d/exe", pid)))
			if !strings.HasPrefix(program, "/usr/bin/"+r.engine+"-") {
				t.Errorf("%s of %s runs %s, want one of %s's programs", unit, n.Name, program, r.engine)
			}
		}
		last = version
	}
	return last
}

// testTooOld shows that an engine below 6.2 is refused with the reason, and that
// nothing of it was started.
func testTooOld(t *testing.T) {
	ctx := machinetest.Context(t, 4*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 1, Suite: "bookworm", Engines: machine.BullseyeRedis})
	f.Install(ctx, t)
	f.HaveKey(ctx, t, f.Nodes...)
	for _, n := range f.Nodes {
		r, err := f.TryJoin(ctx, n)
		const reason = "6.2 is the least, because an older Sentinel stops at the line sentinel-pass"
		if err != nil || r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, reason) || !strings.Contains(r.Stdout+r.Stderr, "6.0.16") {
			t.Errorf("join on %s is not refused with %q: %+v, %v", n.Name, reason, r, err)
		}
		if unit := machinetest.Unit(ctx, t, n, machinetest.RedisUnit()); unit.PID != 0 {
			t.Errorf("%s runs on %s", unit.Unit, n.Name)
		}
	}
}

// testBullseye shows that a Debian with an older systemd does not take the package,
// and that the message says why.
func testBullseye(t *testing.T) {
	ctx := machinetest.Context(t, 4*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Nodes: 1, Suite: "bullseye"})
	text, err := os.ReadFile(machinetest.Package(ctx, t))
	if err != nil {
		t.Fatal(err)
	}
	n := f.Nodes[0]
	if err := n.PutFile(ctx, "/root/redfleet.deb", text, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := n.Run(ctx, "dpkg", "--install", "/root/redfleet.deb")
	if err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "redfleet depends on systemd (>= 250)") {
		t.Errorf("dpkg on bullseye: %+v, %v", r, err)
	}
}
